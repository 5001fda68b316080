// The form's controls: made, filled and asked.

const $ = (id) => document.getElementById(id);
export const LAYERS = {
  character: { of: "of the character", size: "default" },
  background: { of: "of the place", size: "fits the frame" },
};
export const SIZES = ["256x256", "256x384", "384x256", "384x512", "512x384", "512x512", "768x512", "1024x512"];

export const kind = () => $("ask").elements.kind.value;

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

// Also a size that is none of those offered.
export function choose(select, value) {
  const offered = [...select.options].some((each) => each.value === value);
  if (!offered && !/^\d+x\d+$/.test(value)) return;
  if (!offered) select.append(option(value));
  select.value = value;
}
