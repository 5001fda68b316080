// Ask how to vary a painted layer, or which part of it to paint again: its words, the strength, and the brush.
import { MaskBrush } from "./mask_brush.js";
import { showShare } from "./controls.js";
import { pngOf } from "./uploads.js";

const $ = (id) => document.getElementById(id);
const VARY_STRENGTH = 0.6;
let brush;
let editing = null;  // { name, picture, part, onPaint }

export function build() {
  brush = new MaskBrush($("vary-canvas"), reportCovered);
  $("vary-cancel").addEventListener("click", () => $("vary-dialog").close());
  $("vary-dialog").addEventListener("close", () => (editing = null));
  $("vary-form").addEventListener("submit", submit);
  $("brush-undo").addEventListener("click", () => brush.undo());
  $("brush-clear").addEventListener("click", () => brush.clear());
  $("brush-size").addEventListener("input", () => brush.resize(Number($("brush-size").value)));
  $("vary-dialog").addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) return submit(event);
    const step = { "[": -0.02, "]": 0.02 }[event.key];
    if (!step || event.target !== $("vary-canvas")) return;
    $("brush-size").value = Number($("brush-size").value) + step;
    showShare($("brush-size"));
    brush.resize(Number($("brush-size").value));
  });
}

// `onPaint({ prompt, strength, picture, mask })` receives the blobs to paint from; `mask` only for a part.
export async function open({ name, picture, prompt, limit, part, onPaint }) {
  const bitmap = await createImageBitmap(picture);
  editing = { name, picture, part, onPaint };
  $("vary-title").textContent = part ? `Paint a part of ${name} again` : `Vary ${name}`;
  $("vary-words").value = prompt;
  if (limit > 0) $("vary-words").maxLength = limit;
  $("vary-strength").value = part ? 1 : VARY_STRENGTH;
  for (const id of ["vary-strength", "brush-size"]) showShare($(id));
  $("brush-controls").hidden = !part;
  const canvas = $("vary-canvas");
  canvas.tabIndex = part ? 0 : -1;
  canvas.setAttribute("role", part ? "application" : "img");
  canvas.setAttribute("aria-label", part ? `Paint over the part of ${name} that should change` : `${name}, as it is`);
  $("vary-error").textContent = "";
  brush.resize(Number($("brush-size").value));
  brush.start(bitmap, part);
  $("vary-dialog").showModal();
  (part ? canvas : $("vary-words")).focus();
}

async function submit(event) {
  event.preventDefault();
  const { part, picture, onPaint } = editing;
  const prompt = $("vary-words").value.trim();
  if (!prompt) return refuse($("vary-words"), "Say what it should be.");
  if (part && brush.empty) return refuse($("vary-canvas"), "First paint over the part that should change.");
  const mask = part ? await pngOf(brush.mask()) : null;
  $("vary-dialog").close();
  onPaint({ prompt, strength: Number($("vary-strength").value), picture, mask });
}

function refuse(control, message) {
  $("vary-error").textContent = message;
  control.focus();
}

function reportCovered(share, at) {
  const percent = (part) => `${Math.round(100 * part)}%`;
  const place = at ? ` The brush is ${percent(at[0])} across and ${percent(at[1])} down.` : "";
  $("brush-covered").textContent = share ? `${share < 0.01 ? "Less than 1%" : percent(share)} will be painted again.${place}` : `Nothing is marked.${place}`;
  for (const id of ["brush-undo", "brush-clear"]) $(id).disabled = brush.empty;
  if (share) $("vary-error").textContent = "";
}
