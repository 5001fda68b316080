// A storyboard's frames: one for each scene, filled as they are painted.
import { show } from "./pictures.js";

const $ = (id) => document.getElementById(id);

export function lay(scenes) {
  $("strip").hidden = false;
  const { width, height } = scenes[0].merge;
  $("frames").style.setProperty("--frame", `${width} / ${height}`);
  $("frames").replaceChildren(...scenes.map(({ character, background }) => {
    const entry = document.createElement("li");
    const picture = Object.assign(document.createElement("button"), { type: "button", className: "picture", disabled: true, textContent: "waiting" });
    entry.append(picture, Object.assign(document.createElement("p"), { textContent: `${character.prompt}, ${background.prompt}` }));
    return entry;
  }));
}

const picture = (index) => $("frames").children[index].querySelector(".picture");

export const painting = (index) => (picture(index).textContent = "painting…");

export function done(index, scene, open) {
  const img = Object.assign(document.createElement("img"), { alt: `Open scene ${index + 1}` });
  show(img, scene.image);
  const button = picture(index);
  button.replaceChildren(img);
  button.disabled = false;
  button.onclick = () => open(scene);
}

export function failed(index, message) {
  $("frames").children[index].classList.add("failed");
  picture(index).textContent = message;
}
