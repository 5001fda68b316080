// The shelf: what was made, newest first, kept across reloads.
import * as store from "./shelf_store.js";
import { show } from "./pictures.js";

const $ = (id) => document.getElementById(id);

export async function fillShelf(open) {
  let kept = [];
  try {
    kept = await store.scenes();
  } catch {
    $("shelf-empty").textContent = "This browser keeps nothing for this page (a private window?).";
  }
  for (const img of $("gallery").querySelectorAll("img")) show(img, null);
  $("gallery").replaceChildren(...kept.map((scene) => item(scene, open)));
  $("shelf-empty").hidden = kept.length > 0;
  $("clear").hidden = kept.length === 0;
  $("clear").onclick = async () => {
    await store.removeAll();
    await fillShelf(open);
    $("shelf-title").focus();
  };
}

function item(scene, open) {
  const words = `${scene.request.character.prompt}, ${scene.request.background.prompt}`;
  const entry = document.createElement("li");
  const button = Object.assign(document.createElement("button"), { type: "button", className: "open" });
  const cover = Object.assign(document.createElement("div"), { className: "cover" });
  const img = Object.assign(document.createElement("img"), { alt: "", loading: "lazy" });
  show(img, scene.image);
  cover.append(img);
  button.append(cover, Object.assign(document.createElement("span"), { textContent: words }));
  button.addEventListener("click", () => open(scene));
  const remove = Object.assign(document.createElement("button"), { type: "button", className: "remove", textContent: "×" });
  remove.setAttribute("aria-label", `Remove: ${words}`);
  remove.addEventListener("click", async () => {
    await store.remove(scene.id);
    await fillShelf(open);
    $("shelf-title").focus();
  });
  entry.append(button, remove);
  return entry;
}
