// Make, fill and read the form's controls.

const $ = (id) => document.getElementById(id);
export const LAYERS = {
  character: { of: "of the character", size: "default" },
  background: { of: "of the place", size: "fits the frame" },
};
export const SIZES = ["256x256", "256x384", "384x256", "384x512", "512x384", "512x512", "768x512", "1024x512"];

export const kind = () => $("scene-form").elements.kind.value;

export function labelled(id, words, control) {
  const label = Object.assign(document.createElement("label"), { htmlFor: id, textContent: words });
  return [label, Object.assign(control, { id })];
}

export const input = (properties) => Object.assign(document.createElement("input"), properties);
const option = (size) => new Option(size.replace("x", " × "), size);

export function choice(sizes, usual) {
  const select = document.createElement("select");
  select.append(new Option(usual, ""), ...sizes.map(option));
  return select;
}

// Selects a value; a size that is not offered is added.
export function choose(select, value) {
  const offered = [...select.options].some((each) => each.value === value);
  if (!offered && !/^\d+x\d+$/.test(value)) return;
  if (!offered) select.append(option(value));
  select.value = value;
}

// Shows a slider's value as a percentage, beside it and to screen readers.
export function showShare(range) {
  const percent = `${Math.round(100 * range.value)}%`;
  range.parentElement.querySelector("output").value = percent;
  range.setAttribute("aria-valuetext", percent);
}

export function button(words, onClick, properties = {}) {
  const made = Object.assign(document.createElement("button"), { type: "button", className: "secondary", textContent: words, ...properties });
  made.addEventListener("click", onClick);
  return made;
}

// Makes a labelled slider for a share. `name` is its accessible name if `words` alone are not enough.
export function slider(words, properties, name = words) {
  const row = Object.assign(document.createElement("div"), { className: "field" });
  const range = input({ type: "range", ...properties });
  if (name !== words) range.setAttribute("aria-label", name);
  const output = document.createElement("output");
  row.append(Object.assign(document.createElement("label"), { htmlFor: range.id, textContent: words }), range, output);
  showShare(range);
  return row;
}
