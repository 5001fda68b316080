// Find the control in error, mark it, and name it as users know it.
import { kind, LAYERS } from "./controls.js";

const $ = (id) => document.getElementById(id);

// Returns the control of a refused parameter, such as background.num_inference_steps or scenes.2.character.seed.
export function controlOf(param) {
  const path = (param ?? "").replace(/^(scenes|pages)\.\d+\./, "").replace(/^characters\.0\b/, "character");
  const [, other, part] = /^characters\.([1-9])\.?(\w*)/.exec(path) ?? [];
  if (other && (!part || part === "prompt")) return $(`figure-${other}`);
  const [name, field] = path.replace(/^characters\.\d/, "character").split(".");
  if (name === "merge") return field === "position" ? document.querySelector("input[name=position]:checked") : $(field === "width" || field === "height" ? "frame" : field);
  const suffix = { num_inference_steps: "steps", guidance_scale: "guidance", seed: "seed", width: "size", height: "size", negative_prompt: "negative", model: "model", image: "add-picture", references: "add-picture", reference_scale: "reference-scale", strength: "strength", loras: "lora" }[field];
  if (name === "title" || name === "author" || name === "language") return $(`story-${name}`);
  if (!(name in LAYERS)) return ["scenes", "pages", "text"].includes(name) ? $("storyboard") : null;
  if (field === "pose" || field === "pose_scale") return $("pose");
  return suffix ? $(`${name}-${suffix}`) : $(kind() === "scene" ? name : "storyboard");
}

// Returns the name that users know: "Steps of the character".
export function labelOf(control) {
  if (control?.dataset.label) return control.dataset.label;
  const label = control?.labels?.[0]?.textContent.trim().replace(/[?:].*$/, "");
  const layer = LAYERS[control?.closest("fieldset")?.dataset.layer];
  return layer ? `${label} ${layer.of}` : label;
}

// Shows the error next to the control.
export function mark(control, sentence) {
  const id = `${control.id || control.name}-error`;
  const said = Object.assign(document.createElement("p"), { id, className: "field-error", textContent: sentence });
  clearMark(control);
  (control.closest(".field, .segments") ?? control).after(said);
  control.setAttribute("aria-invalid", "true");
  control.dataset.hint = control.getAttribute("aria-describedby") ?? "";
  control.setAttribute("aria-describedby", `${control.dataset.hint} ${id}`.trim());
  control.closest("details")?.setAttribute("open", "");
  control.focus();
}

export function clearMark(control) {
  if (!control.hasAttribute?.("aria-invalid")) return;
  document.getElementById(`${control.id || control.name}-error`)?.remove();
  control.removeAttribute("aria-invalid");
  if (control.dataset.hint) control.setAttribute("aria-describedby", control.dataset.hint);
  else control.removeAttribute("aria-describedby");
}
