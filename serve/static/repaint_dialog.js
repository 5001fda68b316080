// Ask what a story page should show when it is painted again.
import * as cast from "./cast.js";
import { figuresOf, MOST } from "./figures.js";
import { pageOf } from "./story_service.js";

const $ = (id) => document.getElementById(id);
let asked = null;

export function build() {
  $("repaint-cancel").addEventListener("click", () => $("repaint-dialog").close());
  $("repaint-form").addEventListener("submit", paint);
}

// `request` is the page's request, `used` the same with its picture's seeds, if it has a picture.
// `onPaint(request, change)` receives the new request and the change to send to the service.
export function open({ number, request, used, seed, onPaint }) {
  asked = { request, used, seed, onPaint };
  $("repaint-title").textContent = `Paint page ${number} again`;
  $("repaint-who").value = figuresOf(request).map(cast.written).join("\n");
  $("repaint-where").value = request.background.prompt;
  $("repaint-error").textContent = "";
  $("repaint-dialog").showModal();
}

function paint(event) {
  event.preventDefault();
  const who = $("repaint-who").value.split("\n").map((line) => line.trim()).filter(Boolean);
  const where = $("repaint-where").value.trim();
  const stranger = who.map(cast.stranger).find(Boolean);
  if (!who.length) return refuse("repaint-who", "Say who is on the page.");
  if (who.length > MOST) return refuse("repaint-who", `A page has at most ${MOST} figures, one a line.`);
  if (stranger) return refuse("repaint-who", `There is nobody named ${stranger} in the cast.`);
  if (!where) return refuse("repaint-where", "Say where the page is set.");
  $("repaint-dialog").close();
  const { request, used, seed, onPaint } = asked;
  const wanted = changed(request, who, where);
  onPaint(wanted, changeOf(request, wanted, used, seed));
}

function refuse(id, message) {
  $("repaint-error").textContent = message;
  $(id).focus();
}

// Returns the request with new words. An added figure gets the first one's settings.
function changed(request, who, where) {
  const before = figuresOf(request);
  const [character, ...others] = who.map((line, index) => {
    const { cast: _, prompt: __, ...settings } = before[index] ?? usual(before[0]);
    return { ...settings, ...cast.read(line) };
  });
  const { others: _, ...rest } = request;
  return { ...rest, character, background: { ...request.background, prompt: where }, ...(others.length && { others }) };
}

const SETTINGS = ["model", "num_inference_steps", "guidance_scale", "negative_prompt", "width", "height", "loras"];
const usual = (figure) => Object.fromEntries(SETTINGS.filter((name) => name in figure).map((name) => [name, figure[name]]));

// Returns the change to send. If no words changed, every layer gets another seed; otherwise only changed layers do.
function changeOf(request, wanted, used, seed) {
  const change = pageOf(wanted);
  const drop = ({ seed: _, ...layer }) => layer;
  change.characters = change.characters.map(drop);
  change.background = drop(change.background);
  const same = (one, other) => one && other && (one.cast || other.cast ? one.cast === other.cast : one.prompt === other.prompt);
  const before = figuresOf(request);
  const after = figuresOf(wanted);
  const untouched = after.length === before.length && after.every((figure, index) => figure.prompt === before[index].prompt && same(figure, before[index]));
  if (untouched && request.background.prompt === wanted.background.prompt) return change;
  if (!used) return { ...change, seed };
  after.forEach((figure, index) => same(figure, before[index]) && (change.characters[index].seed = figuresOf(used)[index].seed));
  if (same(request.background, wanted.background)) change.background.seed = used.background.seed;
  return { ...change, seed };
}
