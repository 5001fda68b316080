// Turn the form into requests and requests into the form, and keep it across reloads.
import { readStory, STORY_SEED } from "./story.js";
import { choice, choose, input, kind, labelled, LAYERS, showShare, SIZES } from "./controls.js";
import * as cast from "./cast.js";
import * as figures from "./figures.js";
import * as loraPicker from "./lora_picker.js";
import { clearMark } from "./field_errors.js";
import { inputFields, setInputs } from "./input_pictures.js";
import { chooseModel, modelChanged } from "./models.js";
import { poseFields, setPose } from "./pose_editor.js";
import { savedForm, saveForm } from "./storage.js";

const $ = (id) => document.getElementById(id);
const MERGE_CONTROLS = ["mode", "harmonize", "scale", "frame", "shadow", "enhance"];
const UNTITLED = "A story";
const OF_A_CUTOUT = ["harmonize", "scale", "shadow"];  // A pasted figure keeps its size and its colours.

export function build() {
  for (const layer of Object.keys(LAYERS)) {
    const fields = document.querySelector(`fieldset[data-layer="${layer}"]`);
    const { size } = LAYERS[layer];
    fields.append(
      ...labelled(`${layer}-model`, "Model", Object.assign(document.createElement("select"), { hidden: true })),
      ...labelled(`${layer}-steps`, "Steps", input({ type: "number", min: 1, placeholder: "default" })),
      ...labelled(`${layer}-guidance`, "Guidance", input({ type: "number", min: 0, step: 0.5, placeholder: "default" })),
      ...labelled(`${layer}-seed`, "Seed", input({ type: "number", min: 0, max: 2 ** 53 - 1, placeholder: "random" })),
      ...labelled(`${layer}-size`, "Size", choice(SIZES, size)),
      ...labelled(`${layer}-negative`, "Negative prompt", input({ type: "text", placeholder: "default" })),
      loraPicker.fields(layer),
    );
    $(`${layer}-model`).labels[0].hidden = true;  // Until the service has several models.
    $(`${layer}-model`).addEventListener("input", () => modelChanged(layer));
  }
  figures.build();
  loraPicker.build();
  restore();
  $("scene-form").addEventListener("input", ({ target }) => clearMark(target));
  $("scene-form").addEventListener("change", save);
  $("scene-form").addEventListener("input", save);
  document.addEventListener("input", ({ target }) => target.type === "range" && showShare(target));
  document.querySelectorAll("input[name=kind]").forEach((radio) => radio.addEventListener("change", showKind));
  $("mode").addEventListener("input", allowCutoutControls);
  showKind();
  refresh();
}

export function onMergeChange(changed) {
  for (const name of MERGE_CONTROLS) $(name).addEventListener("input", changed);
  document.querySelectorAll("input[name=position]").forEach((radio) => radio.addEventListener("change", changed));
}

// Returns the form's request, without the defaults of the service.
export function sceneRequest() {
  const request = requestOf($("character").value, $("background").value);
  for (const name of Object.keys(LAYERS)) Object.assign(request[name], inputFields(name, request[name]));
  Object.assign(request.character, poseFields());
  const others = figures.words().filter((words) => words.trim()).map((words) => layer("character", words));
  // The form's seed is the first figure's; the others count up from it.
  others.forEach((other, index) => "seed" in other && (other.seed = (other.seed + index + 1) % 2 ** 53));
  return others.length ? { ...request, others } : request;
}

function requestOf(character, background) {
  const request = { character: layer("character", character), background: layer("background", background), ...merging(), layers: true };
  if ($("fallback").value !== "reduce") request.fallback = $("fallback").value;
  return request;
}

// Returns the part of a request that can change without painting again.
export function merging() {
  const [width, height] = $("frame").value.split("x").map(Number);
  const merge = { mode: $("mode").value, position: $("scene-form").elements.position.value, width, height };
  Object.assign(merge, { scale: Number($("scale").value), harmonize: Number($("harmonize").value), shadow: $("shadow").checked });
  return $("enhance").checked ? { merge, enhance: true } : { merge };
}

// Returns the story in the form: a request and a text for each page. Throws an error that names the line.
export function story() {
  const pages = readStory($("storyboard").value);
  const given = (name, usual) => $(`story-${name}`).value.trim() || usual;
  return {
    requests: pages.map(({ character, background }) => requestOf(character, background)),
    words: pages.map(({ words }) => words),
    title: given("title", UNTITLED),
    author: given("author", ""),
    language: given("language", "en"),
    seed: Number(given("seed", STORY_SEED)),
  };
}

// Fills the form with a scene's request. In story mode only the composition changes, and the story stays.
export function fill(request) {
  if (kind() === "scene") {
    for (const name of Object.keys(LAYERS)) {
      const fields = request[name];
      $(name).value = cast.written(fields);
      chooseModel(name, fields.model);
      $(`${name}-steps`).value = fields.num_inference_steps ?? "";
      $(`${name}-guidance`).value = fields.guidance_scale ?? "";
      $(`${name}-negative`).value = fields.negative_prompt ?? "";
      choose($(`${name}-size`), fields.width ? `${fields.width}x${fields.height}` : "");
      loraPicker.setLoras(name, fields.loras);
      setInputs(name, fields);
    }
    setPose(request.character);
    $("fallback").value = request.fallback ?? "reduce";
    figures.setWords((request.others ?? []).map(cast.written));
  }
  const { mode, position, width, height, scale, harmonize, shadow } = request.merge;
  $("mode").value = mode;
  choose($("frame"), `${width}x${height}`);
  $("scale").max = Math.max($("scale").max, scale);
  $("scale").value = scale;
  $("harmonize").value = harmonize;
  $("scene-form").elements.position.value = position;
  $("shadow").checked = shadow;
  $("enhance").checked = Boolean(request.enhance);
  for (const control of [...$("scene-form").elements]) clearMark(control);
  refresh();
  save();
}

// Shows the service's merge defaults, unless the form has saved values.
export function startFrom({ mode, position, width, height }) {
  const saved = savedForm();
  if (!("mode" in saved)) $("mode").value = mode;
  if (!("position" in saved)) $("scene-form").elements.position.value = position;
  if (!("frame" in saved)) choose($("frame"), `${width}x${height}`);
  refresh();
}

// Ends the slider where the figure fills the frame: beyond that, nothing would change.
export function limitScale(largest) {
  $("scale").max = largest;
  refresh();
}

export function setSeeds(seeds) {
  for (const name of Object.keys(LAYERS)) $(`${name}-seed`).value = seeds[name] ?? "";
  $("character-seed").closest("details").open = true;
  save();
}

function layer(name, prompt) {
  const fields = name === "character" ? cast.read(prompt) : { prompt: prompt.trim() };
  const value = (suffix) => $(`${name}-${suffix}`).value;
  if (value("model")) fields.model = value("model");
  if (value("steps")) fields.num_inference_steps = Number(value("steps"));
  if (value("guidance")) fields.guidance_scale = Number(value("guidance"));
  if (value("seed")) fields.seed = Number(value("seed"));
  if (value("negative")) fields.negative_prompt = value("negative");
  if (value("size")) [fields.width, fields.height] = value("size").split("x").map(Number);
  const loras = loraPicker.loras(name);
  if (loras.length) fields.loras = loras;
  return fields;
}

// Lists the controls whose values are kept, without the key.
const kept = () => [...$("scene-form").elements].filter((control) => (control.id || control.name) && !["password", "file"].includes(control.type) && "value" in control && control.type !== "submit" && control.type !== "button");

function save() {
  const values = {};
  for (const control of kept()) {
    if (control.type === "radio") values[control.name] = $("scene-form").elements[control.name].value;
    else values[control.id] = control.type === "checkbox" ? control.checked : control.value;
  }
  saveForm(values);
}

function restore() {
  const values = savedForm();
  figures.setWords([1, 2, 3].map((number) => values[`figure-${number}`]).filter((words) => typeof words === "string"));
  for (const control of kept()) {
    const value = values[control.type === "radio" ? control.name : control.id];
    if (typeof value === "boolean") control.checked = value;
    else if (typeof value !== "string") continue;
    else if (control.type === "radio") control.checked ||= control.value === value;
    else if (control.localName === "select") choose(control, value);
    else control.value = value;
  }
}

function showKind() {
  const one = kind() === "scene";
  $("words-scene").hidden = !one;
  $("words-story").hidden = one;
  document.querySelector("h1").textContent = one ? "Paint a scene" : "Make a story";
}

function allowCutoutControls() {
  for (const name of OF_A_CUTOUT) $(name).disabled = $("mode").value === "paste";
  $("paste-hint").hidden = $("mode").value !== "paste";
}

function refresh() {
  $("scene-form").querySelectorAll("input[type=range]").forEach(showShare);
  allowCutoutControls();
}
