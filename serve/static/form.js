// The form: controls to requests, and requests back into controls.

const $ = (id) => document.getElementById(id);
const LAYERS = { character: { steps: 25, guidance: 7.5, size: "384x512" }, background: { steps: 20, guidance: 6, size: "512x384" } };
const SIZES = ["256x256", "256x384", "384x256", "384x512", "512x384", "512x512", "768x512", "1024x512"];
const MERGE_CONTROLS = ["mode", "harmonize", "scale", "frame", "shadow", "enhance"];

export function build() {
  for (const layer of Object.keys(LAYERS)) {
    const fields = document.querySelector(`fieldset[data-layer="${layer}"]`);
    const { steps, guidance, size } = LAYERS[layer];
    fields.append(
      ...labelled(`${layer}-steps`, "Steps", input({ type: "number", min: 1, max: 150, placeholder: steps })),
      ...labelled(`${layer}-guidance`, "Guidance", input({ type: "number", min: 0, max: 30, step: 0.5, placeholder: guidance })),
      ...labelled(`${layer}-seed`, "Seed", input({ type: "number", min: 0, max: 2 ** 53 - 1, placeholder: "any" })),
      ...labelled(`${layer}-size`, "Size", choice(SIZES, size)),
      ...labelled(`${layer}-negative`, "Without", input({ type: "text", maxLength: 2000, placeholder: "as usual" })),
    );
  }
  for (const range of document.querySelectorAll("input[type=range]")) range.addEventListener("input", tellRange);
  for (const control of $("ask").elements) control.addEventListener?.("input", () => control.removeAttribute("aria-invalid"));
  document.querySelectorAll("input[name=kind]").forEach((radio) => radio.addEventListener("change", showKind));
  showKind();
  tellRanges();
}

export const kind = () => $("ask").elements.kind.value;

export function onMergeChange(changed) {
  for (const name of MERGE_CONTROLS) $(name).addEventListener("input", changed);
  document.querySelectorAll("input[name=position]").forEach((radio) => radio.addEventListener("change", changed));
}

// One request in the contract's words. What is at its default is left to the service.
export function sceneRequest(character = $("character").value, background = $("background").value) {
  const request = { character: layer("character", character), background: layer("background", background), ...merging(), layers: true };
  if ($("fallback").value !== "reduce") request.fallback = $("fallback").value;
  return request;
}

// The part of a request that needs no painting.
export function merging() {
  const [width, height] = $("frame").value.split("x").map(Number);
  const merge = { mode: $("mode").value, position: $("ask").elements.position.value, width, height };
  Object.assign(merge, { scale: Number($("scale").value), harmonize: Number($("harmonize").value), shadow: $("shadow").checked });
  return $("enhance").checked ? { merge, enhance: true } : { merge };
}

// Pairs of words; a half left empty stays as in the line above. Throws with the line at fault.
export function storyboard() {
  const pairs = [];
  const lines = $("storyboard").value.split("\n").filter((line) => line.trim());
  for (const [index, line] of lines.entries()) {
    const [who, where = "", ...more] = line.split("|").map((half) => half.trim());
    const before = pairs.at(-1) ?? {};
    const pair = { character: who || before.character, background: where || before.background };
    if (more.length || !pair.character || !pair.background) throw new Error(`Line ${index + 1} needs who and where, with one | between them.`);
    pairs.push(pair);
  }
  if (!pairs.length) throw new Error("Write a line for each scene: who | where.");
  return pairs;
}

export function fill(request) {
  for (const name of Object.keys(LAYERS)) {
    const asked = typeof request[name] === "string" ? { prompt: request[name] } : request[name];
    $(name).value = asked.prompt;
    $(`${name}-steps`).value = asked.num_inference_steps ?? "";
    $(`${name}-guidance`).value = asked.guidance_scale ?? "";
    $(`${name}-negative`).value = asked.negative_prompt ?? "";
    $(`${name}-size`).value = asked.width ? `${asked.width}x${asked.height}` : LAYERS[name].size;
  }
  const { mode, position, width, height, scale, harmonize, shadow } = request.merge;
  Object.assign($("mode"), { value: mode });
  Object.assign($("frame"), { value: `${width}x${height}` });
  Object.assign($("scale"), { value: scale });
  Object.assign($("harmonize"), { value: harmonize });
  $("ask").elements.position.value = position;
  $("shadow").checked = shadow;
  $("enhance").checked = Boolean(request.enhance);
  $("fallback").value = request.fallback ?? "reduce";
  $("ask").elements.kind.value = "scene";
  showKind();
  tellRanges();
}

export function setSeeds(seeds) {
  for (const name of Object.keys(LAYERS)) $(`${name}-seed`).value = seeds[name] ?? "";
  $("character-seed").closest("details").open = true;
}

// The control of a refused parameter, such as background.num_inference_steps.
export function controlOf(param) {
  const [name, field] = (param ?? "").split(".");
  if (name === "merge") return field === "position" ? document.querySelector("input[name=position]:checked") : $(field === "width" || field === "height" ? "frame" : field);
  const suffix = { num_inference_steps: "steps", guidance_scale: "guidance", seed: "seed", width: "size", height: "size", negative_prompt: "negative" }[field];
  return name in LAYERS ? $(suffix ? `${name}-${suffix}` : name) : null;
}

function layer(name, prompt) {
  const asked = { prompt: prompt.trim() };
  const number = (suffix) => $(`${name}-${suffix}`).value;
  if (number("steps")) asked.num_inference_steps = Number(number("steps"));
  if (number("guidance")) asked.guidance_scale = Number(number("guidance"));
  if (number("seed")) asked.seed = Number(number("seed"));
  if (number("negative")) asked.negative_prompt = number("negative");
  if (number("size") !== LAYERS[name].size) [asked.width, asked.height] = number("size").split("x").map(Number);
  return asked;
}

function labelled(id, words, control) {
  const label = Object.assign(document.createElement("label"), { htmlFor: id, textContent: words });
  return [label, Object.assign(control, { id })];
}

const input = (properties) => Object.assign(document.createElement("input"), properties);

function choice(sizes, chosen) {
  const select = document.createElement("select");
  select.append(...sizes.map((size) => new Option(size.replace("x", " × "), size, size === chosen, size === chosen)));
  return select;
}

function showKind() {
  const one = kind() === "scene";
  $("words-scene").hidden = !one;
  $("words-storyboard").hidden = one;
}

function tellRange({ target }) {
  target.parentElement.querySelector("output").value = Number(target.value).toFixed(2);
}

const tellRanges = () => document.querySelectorAll("input[type=range]").forEach((target) => tellRange({ target }));
