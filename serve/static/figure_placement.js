// Place each of several figures with a slider and two buttons, or by dragging it in the picture.
import { figuresOf, inOrder, isSeveral } from "./figures.js";

const $ = (id) => document.getElementById(id);
let scene = null;
let changed = () => {};

export function build(onChange) {
  changed = onChange;
  $("scene").addEventListener("pointerdown", drag);
}

// Shows a scene's controls. They are rebuilt only if the number of figures changes, so that the focus stays.
export function update(shown, layers) {
  scene = layers && isSeveral(shown.request) ? shown : null;
  $("placing").hidden = !scene;
  $("position").hidden = Boolean(scene);
  $("scene").classList.toggle("movable", Boolean(scene));
  $("scene").querySelector("img").draggable = !scene;
  if (!scene) return;
  const figures = figuresOf(scene.request);
  if ($("placing").children.length !== figures.length) $("placing").replaceChildren(...figures.map((_, index) => controls(index)));
  figures.forEach(({ prompt }, index) => {
    const entry = $("placing").children[index];
    entry.querySelector("legend").textContent = `Figure ${index + 1}: ${prompt}`;
    show(index, middle(index));
  });
}

const middle = (index) => {
  const [x, , wide] = scene.answer.merge.figures[index].box;
  return (x + wide / 2) / scene.request.merge.width;
};

function show(index, x) {
  const range = $(`place-${index}`);
  range.value = x;
  const percent = `${Math.round(100 * range.value)}%`;
  range.parentElement.querySelector("output").value = percent;
  range.setAttribute("aria-valuetext", percent);
}

function controls(index) {
  const entry = Object.assign(document.createElement("fieldset"), { className: "figure" });
  const range = Object.assign(document.createElement("input"), { type: "range", id: `place-${index}`, min: 0, max: 1, step: 0.01 });
  range.setAttribute("aria-label", `Position of figure ${index + 1}, from left to right`);
  range.addEventListener("input", () => {
    show(index, range.value);
    changed(index, { position: { x: Number(range.value) } });
  });
  const buttons = ["front", "back"].map((to) => {
    const button = Object.assign(document.createElement("button"), { type: "button", className: "secondary", textContent: to === "front" ? "To the front" : "To the back" });
    button.setAttribute("aria-label", `Figure ${index + 1} to the ${to}`);
    button.addEventListener("click", () => changed(index, { to }));
    return button;
  });
  const output = document.createElement("output");
  output.htmlFor = range.id;
  entry.append(document.createElement("legend"), range, output, ...buttons);
  return entry;
}

// Drags the frontmost figure under the pointer sideways.
function drag(event) {
  if (!scene || event.button) return;
  const img = $("scene").querySelector("img");
  const place = pictureOf(img);
  const [x, y] = [(event.clientX - place.left) / place.scale, (event.clientY - place.top) / place.scale];
  const boxes = scene.answer.merge.figures.map(({ box }) => box);
  const inside = ([left, top, wide, high]) => x >= left && x <= left + wide && y >= top && y <= top + high;
  const index = inOrder(figuresOf(scene.request)).reverse().find((number) => inside(boxes[number]));
  if (index === undefined) return;
  event.preventDefault();
  const [left, top, wide, high] = boxes[index];
  const outline = Object.assign(document.createElement("div"), { className: "outline" });
  const frame = $("scene").getBoundingClientRect();
  Object.assign(outline.style, { top: `${place.top - frame.top + top * place.scale}px`, width: `${wide * place.scale}px`, height: `${high * place.scale}px` });
  const { width } = scene.request.merge;
  let at = left;
  const move = (moved) => {
    at = Math.min(Math.max(left + (moved.clientX - event.clientX) / place.scale, 0), width - wide);
    outline.style.left = `${place.left - frame.left + at * place.scale}px`;
    show(index, (at + wide / 2) / width);
  };
  const end = (ended) => {
    for (const [name, listener] of [["pointermove", move], ["pointerup", end], ["pointercancel", end]]) $("scene").removeEventListener(name, listener);
    outline.remove();
    if (ended.type === "pointerup" && Math.round(at) !== left) changed(index, { position: { x: (at + wide / 2) / width } });
    else show(index, middle(index));
  };
  move(event);
  $("scene").append(outline);
  $("scene").setPointerCapture(event.pointerId);
  for (const [name, listener] of [["pointermove", move], ["pointerup", end], ["pointercancel", end]]) $("scene").addEventListener(name, listener);
}

// Returns the picture's position on the screen, and the number of screen pixels per picture pixel.
function pictureOf(img) {
  const { left, top, width, height } = img.getBoundingClientRect();
  const merge = scene.request.merge;
  const scale = Math.min(width / merge.width, height / merge.height);
  return { scale, left: left + (width - scale * merge.width) / 2, top: top + (height - scale * merge.height) / 2 };
}
