// Show both layers on the pages of an open book while they are painted, then the scene over the spread.
import { described, figuresOf, isSeveral } from "./figures.js";
import { sentencesOf, titleOf } from "./error_messages.js";
import { previewBlob, show } from "./pictures.js";

const $ = (id) => document.getElementById(id);
const NAMES = { character: "Character", background: "Place" };
let speeds = {};
let parts = {};  // by layer: the painted share of each of its figures
let waitTimer = 0;
const waiting = new Set();

export function begin(request) {
  const { width, height } = request.merge;
  frame(width, height);
  Object.assign($("viewer").dataset, { state: "painting", busy: "false" });
  speeds = {};
  parts = { character: figuresOf(request).map(() => 0), background: [0] };
  waiting.clear();
  for (const id of ["scene", "together", "result", "error"]) $(id).hidden = true;
  for (const layer of Object.keys(NAMES)) {
    show(page(layer, "img"), null);
    page(layer, ".step").textContent = "waiting";
    page(layer, "progress").value = 0;
  }
  announce(isSeveral(request) ? "Painting all layers…" : "Painting both layers…");
}

// Shows a layer's place in the queue. Only the first place is announced, and later the start of painting.
export function queued({ layer, ahead, index }) {
  const place = ahead ? `${ordinal(ahead + 1)} in the queue` : "next";
  page(layer, ".step").textContent = `${figure(index)}${place}`;
  if (ahead && !waiting.has(named(layer, index))) {
    waiting.add(named(layer, index));
    announce(`${named(layer, index)} is waiting: ${place}.`);
  }
  $("left").textContent = "";
}

// Shows a layer's step; `preview` is its picture so far.
export function progress({ layer, step, steps, preview, index }) {
  const now = performance.now();
  const name = named(layer, index);
  speeds[name] ??= { since: now, from: step };
  if (waiting.delete(name)) announce(`Painting the ${name.toLowerCase()}…`);
  Object.assign(speeds[name], { now, step, steps });
  page(layer, ".step").textContent = `${figure(index)}${step} of ${steps}`;
  painted(layer, index, step / steps);
  if (preview && !index) {
    const img = page(layer, "img");
    img.alt = `${NAMES[layer]}, partly painted`;
    show(img, previewBlob(preview));
  }
  $("left").textContent = timeLeft();
}

export function layerDone({ layer, degraded, index }) {
  painted(layer, index, 1);
  page(layer, ".step").textContent = `${figure(index)}${degraded.length ? "painted, not as requested" : "painted"}`;
  announce(`${named(layer, index)} painted.`);
}

// Shows the progress of a layer's figures in one bar.
function painted(layer, index = 0, share) {
  parts[layer][index] = share;
  page(layer, "progress").value = parts[layer].reduce((sum, each) => sum + each, 0) / parts[layer].length;
}

const named = (layer, index) => (index === undefined ? NAMES[layer] : `${NAMES[layer]} ${index + 1}`);
const figure = (index) => (index === undefined ? "" : `figure ${index + 1}: `);

export function together({ preview }) {
  $("together").hidden = false;
  show($("together").querySelector("img"), previewBlob(preview));
}

export function reveal(scene) {
  const { request, image } = scene;
  frame(request.merge.width, request.merge.height);
  Object.assign($("viewer").dataset, { state: "done", busy: "false" });
  const img = $("scene").querySelector("img");
  img.alt = `${described(request)}, in front of ${request.background.prompt}`;
  show(img, image);
  for (const id of ["together", "error"]) $(id).hidden = true;
  for (const id of ["scene", "result"]) $(id).hidden = false;
  $("left").textContent = "";
}

export const merging = (busy) => ($("viewer").dataset.busy = String(busy));

// Shows the scene from before, or the partly painted pages.
export function stopped(words, scene) {
  announce(words);
  $("left").textContent = "";
  if (scene) reveal(scene);
  else if ($("viewer").dataset.state === "painting") $("viewer").dataset.state = "stopped";
}

// `label` names the control in error; `retry` sends the same request again.
export function showError(error, { label, retry } = {}) {
  const lines = [line(strong(titleOf(error)), ` ${sentencesOf(error, label)}`)];
  clearTimeout(waitTimer);
  if (error.retryAfter) {
    const when = line(`You can try again in ${error.retryAfter} s.`);
    waitTimer = setTimeout(() => (when.textContent = "You can try again now."), error.retryAfter * 1000);
    lines.push(when);
  }
  if (retry) {
    const button = Object.assign(document.createElement("button"), { type: "button", className: "secondary", textContent: "Try again" });
    button.addEventListener("click", retry);
    lines.push(button);
  }
  if (error.requestId) lines.push(line("Request ", code(error.requestId), error.param ? " · field " : "", error.param ? code(error.param) : ""));
  $("error").replaceChildren(...lines);
  $("error").hidden = false;
  $("error").scrollIntoView({ block: "nearest" });
}

export function clearError() {
  clearTimeout(waitTimer);
  $("error").hidden = true;
}

export const announce = (words) => ($("announcement").textContent = words);

// Estimates the time left; there is no estimate while a layer waits.
function timeLeft() {
  if (waiting.size) return "";
  const left = Object.values(speeds).map(({ since, from, now, step, steps }) => (step > from ? ((now - since) / (step - from)) * (steps - step) : Infinity));
  const most = Math.max(...left) / 1000;
  if (!Number.isFinite(most)) return "";
  return most < 60 ? `about ${Math.max(1, Math.round(most))} s left` : `about ${Math.round(most / 60)} min left`;
}

const SUFFIXES = { one: "st", two: "nd", few: "rd", other: "th" };
const ordinals = new Intl.PluralRules("en", { type: "ordinal" });
const ordinal = (number) => `${number}${SUFFIXES[ordinals.select(number)]}`;

const page = (layer, selector) => $(`page-${layer}`).querySelector(selector);
const frame = (width, height) => $("viewer").style.setProperty("--frame", `${width} / ${height}`);
const strong = (words) => Object.assign(document.createElement("strong"), { textContent: words });
const code = (words) => Object.assign(document.createElement("code"), { textContent: words });

function line(...parts) {
  const paragraph = document.createElement("p");
  paragraph.append(...parts);
  return paragraph;
}
