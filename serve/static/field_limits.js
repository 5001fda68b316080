// Apply the limits and defaults in the service's OpenAPI document to the form's controls.
import { startFrom } from "./form.js";
import { showDefaults } from "./models.js";

const ROUTES = { character: "v1/characters", background: "v1/backgrounds" };
const $ = (id) => document.getElementById(id);

export function applyLimits(api) {
  for (const [layer, route] of Object.entries(ROUTES)) {
    const bounds = boundsOf(bodyOf(api, route));
    $(layer).maxLength = bounds("prompt").maxLength;
    $(`${layer}-negative`).maxLength = bounds("negative_prompt").maxLength;
    Object.assign($(`${layer}-steps`), range(bounds("num_inference_steps")));
    Object.assign($(`${layer}-guidance`), range(bounds("guidance_scale")));
    keepSizes($(`${layer}-size`), bounds);
    showDefaults(layer);
  }
  const merge = boundsOf(bodyOf(api, "v1/scenes").properties.merge);
  startFrom(Object.fromEntries(["mode", "position", "width", "height"].map((name) => [name, merge(name).default])));
  keepSizes($("frame"), merge);
}

const bodyOf = (api, route) => api.paths[`/${route}`].post.requestBody.content["application/json"].schema;
const range = ({ minimum, maximum, default: usual }) => ({ min: minimum, max: maximum, placeholder: usual });

// A nullable field has its bounds in one of its alternatives.
function boundsOf(schema) {
  const found = [schema, ...(schema.anyOf ?? [])].find(({ properties }) => properties);
  return (name) => Object.assign({}, ...[found.properties[name], ...(found.properties[name].anyOf ?? [])]);
}

// Removes sizes over the limits. If none fits, all stay, and the service reports its limit.
function keepSizes(select, bounds) {
  const most = [bounds("width").maximum, bounds("height").maximum];
  const fits = (option) => option.value.split("x").every((side, index) => Number(side) <= most[index]);
  const fitting = [...select.options].filter(fits);
  if (!fitting.length) return;
  if (!fitting.includes(select.selectedOptions[0])) fitting[0].selected = true;
  for (const option of [...select.options]) if (!fits(option)) option.remove();
}
