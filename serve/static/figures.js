// Handle several figures of one scene: their words, their placement, and the request to the service.
// A kept request has its first figure as `character` and the rest as `others`.
const $ = (id) => document.getElementById(id);
export const MOST = 4;

export function build() {
  $("add-figure").addEventListener("click", () => {
    setWords([...words(), ""]);
    $("figures").lastElementChild.querySelector("textarea").focus();
  });
}

// Returns the words of the figures after the first.
export const words = () => [...$("figures").querySelectorAll("textarea")].map((area) => area.value);

export function setWords(all) {
  $("figures").replaceChildren(...all.slice(0, MOST - 1).map(field));
  $("add-figure").hidden = all.length >= MOST - 1;
}

function field(value, index) {
  const id = `figure-${index + 1}`;
  const entry = document.createElement("div");
  const label = Object.assign(document.createElement("label"), { className: "line", htmlFor: id, textContent: `And who else? Figure ${index + 2}` });
  const area = Object.assign(document.createElement("textarea"), { id, className: "words", rows: 2, value });
  if ($("character").maxLength > 0) area.maxLength = $("character").maxLength;
  const removing = Object.assign(document.createElement("button"), { type: "button", className: "plain", textContent: `Remove figure ${index + 2}` });
  removing.addEventListener("click", () => {
    setWords(words().filter((_, other) => other !== index));
    $("add-figure").focus();
    $("scene-form").dispatchEvent(new Event("change"));
  });
  entry.append(label, area, removing);
  return entry;
}

export const figuresOf = ({ character, others = [] }) => [character, ...others];
export const isSeveral = (request) => Boolean(request.others?.length);
export const described = (request) => figuresOf(request).map(({ cast, prompt }) => (cast ? `${cast}, ${prompt}` : prompt)).join(" and ");

// Returns a request for POST /v1/scenes. If there are several figures, each has its own position.
export function wire({ others, ...request }) {
  if (!others?.length) return request;
  const { character, merge: { position, ...merge }, ...rest } = request;
  return { characters: [character, ...others], ...rest, merge };
}

// Returns the `figures` of a merge: the placement of each.
export const placements = (request) =>
  figuresOf(request).map(({ position, scale, depth }) => Object.fromEntries(Object.entries({ position, scale, depth }).filter(([, value]) => value !== undefined)));

// Returns the scene with one figure moved. The others stay in place, even those without their own position.
export function placed(scene, index, change) {
  const { width } = scene.request.merge;
  const boxes = scene.answer.merge.figures;
  const figures = figuresOf(scene.request).map((figure, number) => {
    const [x, , wide] = boxes[number].box;
    return { ...figure, position: figure.position ?? { x: Math.min(1, (x + wide / 2) / width) } };
  });
  if (change.position) figures[index] = { ...figures[index], position: change.position };
  if (change.to) inOrder(figures, index, change.to).forEach((number, rank, order) => (figures[number] = { ...figures[number], depth: order.length - 1 - rank }));
  const [character, ...others] = figures;
  return { ...scene, request: { ...scene.request, character, others } };
}

// Orders figures from back to front, as the service composes them; `to` moves one to the `front` or the `back`.
export function inOrder(figures, index, to) {
  const order = figures.map((_, number) => number).sort((one, other) => (figures[other].depth ?? 0) - (figures[one].depth ?? 0) || one - other);
  if (!to) return order;
  const rest = order.filter((number) => number !== index);
  return to === "front" ? [...rest, index] : [index, ...rest];
}
