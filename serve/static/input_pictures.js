// Handle the pictures that a layer is painted from, dropped, chosen or pasted: a start picture and references.
import { button, input, kind, LAYERS, showShare, slider } from "./controls.js";
import { clearMark } from "./field_errors.js";
import { can, modelOf, onModelChange } from "./models.js";
import { show } from "./pictures.js";
import { listIn } from "./storage.js";
import { fileOf, readable, upload } from "./uploads.js";

const $ = (id) => document.getElementById(id);
const TASKS = { image: "image_to_image", references: "references" };
const NAMES = { image: "start picture", references: "reference" };
const USUAL = { strength: 0.6, reference_scale: 0.6 };
const MOST_REFERENCES = 4;
const LEAST_SIDE_PX = 64;

// `onError(layer, error)` is called if a picture cannot be read or uploaded.
export function build(onError) {
  for (const layer of Object.keys(LAYERS)) {
    const kept = input({ type: "hidden", id: `${layer}-pictures` });
    const file = input({ type: "file", id: `${layer}-file`, accept: "image/png,image/jpeg,image/webp", hidden: true });
    file.addEventListener("change", () => addAll(layer, [...file.files]).then(() => (file.value = "")));
    const choose = button("", () => file.click(), { id: `${layer}-add-picture`, className: "plain" });
    choose.dataset.label = `The picture ${LAYERS[layer].of}`;
    const list = Object.assign(document.createElement("ul"), { id: `${layer}-picture-list`, className: "input-pictures" });
    const strength = slider("Change", { id: `${layer}-strength`, min: 0.05, max: 1, step: 0.05, value: USUAL.strength }, `How much the start picture ${LAYERS[layer].of} may change`);
    const scale = slider("Reference", { id: `${layer}-reference-scale`, min: 0, max: 1, step: 0.05, value: USUAL.reference_scale }, `How closely the references ${LAYERS[layer].of} are followed`);
    const state = Object.assign(document.createElement("p"), { id: `${layer}-picture-state`, className: "hint" });
    state.setAttribute("role", "status");
    $(`${layer}-guides`).append(choose, list, strength, scale, state, file, kept);
  }
  for (const zone of document.querySelectorAll("[data-drop]")) zone.addEventListener("paste", (event) => event.clipboardData.getData("text/plain") || accept(event, zone, event.clipboardData));
  for (const name of ["dragover", "drop"]) document.addEventListener(name, (event) => drop(event));
  document.addEventListener("dragleave", () => highlight(null));
  onModelChange(update);

  // Without this, a file dropped outside the fields would replace the page.
  function drop(event) {
    if (![...event.dataTransfer.types].includes("Files")) return;
    event.preventDefault();
    const zone = event.target.closest?.("[data-drop]");
    const layer = zone?.dataset.drop;
    const allowed = layer && kind() === "scene" && uses(layer).length;
    event.dataTransfer.dropEffect = allowed ? "copy" : "none";
    highlight(event.type === "dragover" && allowed ? zone : null);
    if (event.type === "drop") accept(event, zone, event.dataTransfer);
  }

  function accept(event, zone, { files }) {
    const layer = zone?.dataset.drop;
    if (!layer || kind() !== "scene" || !files.length || !uses(layer).length) return;
    event.preventDefault();
    addAll(layer, [...files]);
  }

  async function addAll(layer, files) {
    clearMark($(`${layer}-add-picture`));
    $(`${layer}-picture-state`).textContent = "Uploading…";
    try {
      for (const file of files.slice(0, MOST_REFERENCES)) await add(layer, file);
      $(`${layer}-picture-state`).textContent = "Picture added.";
    } catch (error) {
      $(`${layer}-picture-state`).textContent = "";
      onError(layer, error);
    }
  }
}

const highlight = (zone) => document.querySelectorAll("[data-drop]").forEach((each) => each.classList.toggle("dropping", each === zone));

const uses = (layer) => Object.keys(TASKS).filter((use) => can(layer, TASKS[use]));

async function add(layer, file) {
  const picture = await upload(await readable(file));
  const before = read(layer).filter(({ id }) => id !== picture.id);
  const [first] = uses(layer).filter((use) => use !== "image" || !before.some((each) => each.use === "image"));
  write(layer, arranged(layer, [...before, { ...picture, use: first ?? "image" }]));
}

// Keeps at most one start picture: the latest. The one before becomes a reference if the model supports them.
function arranged(layer, all) {
  const start = all.filter(({ use }) => use === "image").at(-1);
  const references = all.filter((each) => each !== start).map((each) => ({ ...each, use: "references" }));
  const kept = can(layer, TASKS.references) ? references.slice(-MOST_REFERENCES) : [];
  return [...(start ? [start] : []), ...kept];
}

// Returns the request's fields for the pictures that the model can use.
export function inputFields(layer, fields) {
  const pictures = read(layer).filter(({ use }) => can(layer, TASKS[use]));
  const start = pictures.find(({ use }) => use === "image");
  const references = pictures.filter(({ use }) => use === "references").map(({ id }) => ({ id }));
  const scale = Number($(`${layer}-reference-scale`).value);  // An edit model has no such scale, so the default is not sent.
  return {
    ...(start && { image: { id: start.id }, strength: Number($(`${layer}-strength`).value), ...(fields.width ? {} : paintedSize(layer, start)) }),
    ...(references.length && { references, ...(scale !== USUAL.reference_scale && { reference_scale: scale }) }),
  };
}

// Returns a size of at most the model's native pixel count, in the picture's shape; nothing for smaller pictures.
function paintedSize(layer, { width, height }) {
  const { width: native, height: high, multiple_of: multiple } = modelOf(layer)?.resolution ?? {};
  if (!width || !native) return {};
  const scale = Math.min(1, Math.sqrt((native * high) / (width * height)));
  const side = (length) => Math.max(Math.ceil(LEAST_SIDE_PX / multiple) * multiple, Math.floor((scale * length) / multiple) * multiple);
  return scale === 1 ? {} : { width: side(width), height: side(height) };
}

// Shows a request's pictures. A start picture with a mask is left out: without its mask, all would be repainted.
export function setInputs(layer, { image, mask, strength, references = [], reference_scale: scale, width, height }) {
  const start = image?.id && !mask ? [{ id: image.id, width, height, use: "image" }] : [];
  $(`${layer}-strength`).value = start.length ? strength ?? USUAL.strength : USUAL.strength;
  $(`${layer}-reference-scale`).value = scale ?? USUAL.reference_scale;
  $(`${layer}-pictures`).value = JSON.stringify([...start, ...references.filter(({ id }) => id).map(({ id }) => ({ id, use: "references" }))]);
  update(layer);
}

const read = (layer) => listIn($(`${layer}-pictures`));

function write(layer, all) {
  $(`${layer}-pictures`).value = JSON.stringify(all);
  $(`${layer}-pictures`).dispatchEvent(new Event("change", { bubbles: true }));
  update(layer);
}

function update(layer) {
  const possible = uses(layer);
  const pictures = read(layer).filter(({ use }) => possible.includes(use));
  const has = (use) => pictures.some((each) => each.use === use);
  $(`${layer}-guides`).hidden = !possible.length;
  const add = $(`${layer}-add-picture`);
  add.textContent = possible.includes("image") && !has("image") ? "Start from a picture" : possible.includes("references") ? "Add a reference picture" : "Start from another picture";
  add.setAttribute("aria-label", `${add.textContent}, ${LAYERS[layer].of}`);
  for (const [use, id] of [["image", "strength"], ["references", "reference-scale"]]) {
    $(`${layer}-${id}`).closest(".field").hidden = !has(use);
    showShare($(`${layer}-${id}`));
  }
  for (const img of $(`${layer}-picture-list`).querySelectorAll("img")) show(img, null);
  $(`${layer}-picture-list`).replaceChildren(...pictures.map((picture) => item(layer, picture, possible)));
}

function item(layer, picture, possible) {
  const entry = document.createElement("li");
  const name = `${NAMES[picture.use]} ${LAYERS[layer].of}`;
  const img = Object.assign(document.createElement("img"), { alt: `The ${name}` });
  fileOf(picture.id).then((blob) => img.isConnected && show(img, blob));
  const others = () => read(layer).filter(({ id }) => id !== picture.id);
  const words = Object.assign(document.createElement("span"), { textContent: NAMES[picture.use] });
  const remove = button("Remove", () => {
    write(layer, others());
    $(`${layer}-add-picture`).focus();
  }, { className: "plain" });
  remove.setAttribute("aria-label", `Remove the ${name}`);
  entry.append(img, words, remove);
  if (possible.length > 1) {
    const use = picture.use === "image" ? "references" : "image";
    const change = button(`Use as ${NAMES[use]}`, () => {
      write(layer, arranged(layer, [...others(), { ...picture, use }]));
      $(`${layer}-add-picture`).focus();
    }, { className: "plain" });
    entry.insertBefore(change, remove);
  }
  return entry;
}
