// Choose a layer's LoRAs, if its model has any, and the strength of each.
import { button, input, LAYERS, slider } from "./controls.js";
import { lorasOf, onModelChange } from "./models.js";
import { listIn } from "./storage.js";

const $ = (id) => document.getElementById(id);
const USUAL_SCALE = 0.8;
const MOST_SCALE = 1.5;

// Returns one layer's fields. A hidden control has the choice, so that it is kept with the form.
export function fields(layer) {
  const select = Object.assign(document.createElement("select"), { id: `${layer}-lora` });
  const label = Object.assign(document.createElement("label"), { htmlFor: select.id, textContent: "LoRA" });
  const chosen = Object.assign(document.createElement("div"), { id: `${layer}-lora-list` });
  const kept = input({ type: "hidden", id: `${layer}-loras` });
  const whole = Object.assign(document.createElement("div"), { id: `${layer}-lora-picker`, hidden: true });
  select.addEventListener("change", () => select.value && add(layer, select.value));
  whole.append(label, select, chosen, kept);
  return whole;
}

export function build() {
  for (const layer of Object.keys(LAYERS)) update(layer);
  onModelChange(update);
}

// Returns the chosen LoRAs that the model knows.
export function loras(layer) {
  const known = lorasOf(layer);
  return read(layer).filter(({ name }) => known.includes(name));
}

export function setLoras(layer, all = []) {
  $(`${layer}-loras`).value = JSON.stringify(all);
  update(layer);
}

const read = (layer) => listIn($(`${layer}-loras`));

function add(layer, name) {
  write(layer, [...read(layer).filter((each) => each.name !== name), { name, scale: USUAL_SCALE }]);
  $(`${layer}-lora-list`).lastElementChild.querySelector("input").focus();
}

function write(layer, all) {
  setLoras(layer, all);
  $(`${layer}-loras`).dispatchEvent(new Event("change", { bubbles: true }));
}

function update(layer) {
  const known = lorasOf(layer);
  $(`${layer}-lora-picker`).hidden = !known.length;
  const free = known.filter((name) => !read(layer).some((each) => each.name === name));
  $(`${layer}-lora`).replaceChildren(new Option(read(layer).length ? "add another" : "none", ""), ...free.map((name) => new Option(name)));
  $(`${layer}-lora-list`).replaceChildren(...loras(layer).map((lora) => row(layer, lora)));
}

function row(layer, { name, scale }) {
  const entry = slider(name, { id: `${layer}-lora-${name}`, min: 0, max: Math.max(MOST_SCALE, scale), step: 0.05, value: scale }, `Strength of ${name}, LoRA ${LAYERS[layer].of}`);
  entry.classList.add("lora");
  entry.querySelector("input").addEventListener("input", ({ target }) => {
    const all = read(layer).map((each) => (each.name === name ? { ...each, scale: Number(target.value) } : each));
    $(`${layer}-loras`).value = JSON.stringify(all);
  });
  const remove = button("×", () => {
    write(layer, read(layer).filter((each) => each.name !== name));
    $(`${layer}-lora`).focus();
  }, { className: "remove-small" });
  remove.setAttribute("aria-label", `Remove ${name} ${LAYERS[layer].of}`);
  entry.append(remove);
  return entry;
}
