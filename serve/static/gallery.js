// Show the scenes kept in this browser, newest first.
import * as store from "./scene_store.js";
import { described } from "./figures.js";
import { show } from "./pictures.js";

const $ = (id) => document.getElementById(id);
let putBack = null;

export async function fillGallery(open) {
  let kept = [];
  try {
    kept = await store.scenes();
    $("gallery-empty").textContent = "Nothing yet. What you paint stays here, in this browser.";
  } catch (error) {
    $("gallery-empty").textContent = `This browser saves nothing for this page: ${error?.message || "a private window?"}`;
  }
  const focused = document.activeElement?.closest("#gallery li")?.dataset.scene;
  for (const img of $("gallery").querySelectorAll("img")) show(img, null);
  $("gallery").replaceChildren(...kept.map((scene) => item(scene, open)));
  if (focused) $("gallery").querySelector(`[data-scene="${CSS.escape(focused)}"] .open`)?.focus();
  $("gallery-empty").hidden = kept.length > 0;
  $("clear").hidden = kept.length === 0;
  $("clear").onclick = () => confirmClearing(kept.length);
  $("confirm-clear").onclick = () => {
    $("clear-dialog").close();
    return remove(null, count(kept.length), open);
  };
  $("undo").onclick = () => undo(open);
}

function confirmClearing(number) {
  $("clear-title").textContent = `Remove ${count(number)}?`;
  $("clear-dialog").showModal();
}

const count = (number) => (number === 1 ? "the picture" : `all ${number} pictures`);

// Removes one scene or all. The last removal can be undone until the page is closed.
async function remove(id, what, open) {
  putBack = await store.remove(id);
  await fillGallery(open);
  $("removed-words").textContent = `Removed ${what}.`;
  $("removed").hidden = false;
  $("undo").focus();
}

async function undo(open) {
  await putBack();
  putBack = null;
  $("removed").hidden = true;
  await fillGallery(open);
  $("gallery-title").focus();
}

function item(scene, open) {
  const words = `${described(scene.request)}, ${scene.request.background.prompt}`;
  const entry = document.createElement("li");
  entry.dataset.scene = scene.id;
  const button = Object.assign(document.createElement("button"), { type: "button", className: "open" });
  const cover = Object.assign(document.createElement("div"), { className: "cover" });
  const img = Object.assign(document.createElement("img"), { alt: "", loading: "lazy" });
  show(img, scene.image);
  cover.append(img);
  button.append(cover, Object.assign(document.createElement("span"), { textContent: words }));
  button.addEventListener("click", () => open(scene));
  const removing = Object.assign(document.createElement("button"), { type: "button", className: "remove", textContent: "×" });
  removing.setAttribute("aria-label", `Remove: ${words}`);
  removing.addEventListener("click", () => remove(scene.id, "the picture", open));
  entry.append(button, removing);
  return entry;
}
