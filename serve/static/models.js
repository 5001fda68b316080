// Choose the model that paints a layer, and say what it can do.
import { LAYERS } from "./controls.js";
import { savedForm } from "./storage.js";

const $ = (id) => document.getElementById(id);
const served = {};  // by layer: the service's model cards, the default one first
const listeners = [];

// `listener(layer)` is called when a layer's model changes, and when the models become known.
export const onModelChange = (listener) => listeners.push(listener);

// Offers the models of each layer, from the service's list.
export function offerModels(cards) {
  for (const layer of Object.keys(LAYERS)) {
    const first = (card) => (card.default_for?.includes(layer) ? 0 : 1);
    served[layer] = cards.filter(({ serving }) => serving?.includes(layer)).sort((one, other) => first(one) - first(other));
    const select = $(`${layer}-model`);
    const wanted = select.options.length ? select.value : savedForm()[`${layer}-model`];
    select.replaceChildren(...served[layer].map((card, index) => new Option(card.id, index ? card.id : "")));
    chooseModel(layer, wanted);
    for (const each of [select, select.labels[0]]) each.hidden = served[layer].length < 2;
  }
}

// Selects a model; one that is not offered selects the first.
export function chooseModel(layer, id = "") {
  const select = $(`${layer}-model`);
  select.value = [...select.options].some(({ value }) => value === id) ? id : "";
  modelChanged(layer);
}

export function modelChanged(layer) {
  showDefaults(layer);
  listeners.forEach((listener) => listener(layer));
}

export const modelOf = (layer, id = $(`${layer}-model`).value) => served[layer]?.find((card) => card.id === id) ?? served[layer]?.[0];

// Returns whether the layer's model can do a task, such as `image_to_image`, `inpainting`, `references` or `pose`.
export const can = (layer, task, id) => Boolean(modelOf(layer, id)?.tasks?.includes(task));

// Returns the names of the LoRAs that the layer's model can use; faulty ones are left out.
export const lorasOf = (layer) => (modelOf(layer)?.loras ?? []).filter(({ layers, fault }) => !fault && (layers?.includes(layer) ?? true)).map(({ name }) => name);

// Shows the model's defaults in empty fields.
export function showDefaults(layer) {
  const usual = modelOf(layer)?.defaults?.[layer];
  if (!usual) return;
  $(`${layer}-steps`).placeholder = usual.num_inference_steps;
  $(`${layer}-guidance`).placeholder = usual.guidance_scale;
}
