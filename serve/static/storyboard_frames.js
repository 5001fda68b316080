// A storyboard's frames: one for each scene, filled as they are painted.
import { show } from "./pictures.js";

const $ = (id) => document.getElementById(id);

// `words` are the words of each scene; where it has none, its description takes their place.
export function layOut(requests, words = []) {
  for (const img of $("frames").querySelectorAll("img")) show(img, null);
  $("storyboard-frames").hidden = false;
  const { width, height } = requests[0].merge;
  $("frames").style.setProperty("--frame", `${width} / ${height}`);
  $("frames").replaceChildren(...requests.map(({ character, background }, index) => {
    const entry = document.createElement("li");
    const picture = Object.assign(document.createElement("button"), { type: "button", className: "picture", disabled: true, textContent: "waiting" });
    entry.append(picture, Object.assign(document.createElement("p"), { textContent: words[index] || `${character.prompt}, ${background.prompt}` }));
    return entry;
  }));
}

const picture = (index) => $("frames").children[index].querySelector(".picture");

export const painting = (index) => (picture(index).textContent = "painting…");

export function done(index, scene, open) {
  const img = Object.assign(document.createElement("img"), { alt: `Open scene ${index + 1}` });
  show(img, scene.image);
  const button = picture(index);
  button.dataset.scene = scene.id;
  button.replaceChildren(img);
  button.disabled = false;
  button.onclick = () => open(scene);
}

// Of a scene that was composed in another way.
export function refresh(scene) {
  const button = $("frames").querySelector(`[data-scene="${CSS.escape(scene.id)}"]`);
  if (button) show(button.querySelector("img"), scene.image);
}

export function failed(index, message) {
  $("frames").children[index].classList.add("failed");
  picture(index).replaceChildren(Object.assign(document.createElement("span"), { className: "why", textContent: message }));
}
