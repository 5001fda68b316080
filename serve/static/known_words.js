// Show which words the models do not know, and which they do. deployments/diffusion/model/known_words.py
// follows the same rules.
import { modelOf } from "./models.js";
import { wordsOf } from "./cast.js";
import { words } from "./figures.js";
import { readStory } from "./story.js";

const LAYERS = ["character", "background"];
const LISTED = 8;
const LONGEST = 40;
const WORD_MS = 400;  // Screen readers should not announce a word while it is typed.
const WORD = /[\p{L}\p{M}]+|(?=[\u{2600}-\u{10ffff}])\p{So}/gu;
const VARIATION = /[\ufe00-\ufe0f]/g;
const $ = (id) => document.getElementById(id);
const models = {};  // by id: { id, words, offers }

// Reads the models' words from the service's list.
export function learnWords(cards) {
  for (const { id, knows } of cards) models[id] = knows ? { id, words: new Set(knows.words), offers: knows.offers } : undefined;
  updateHints();
}

export function watchWords() {
  let timer = 0;
  const soon = () => {
    clearTimeout(timer);
    timer = setTimeout(updateHints, WORD_MS);
  };
  for (const id of [...LAYERS, ...LAYERS.map((layer) => `${layer}-model`), "figures", "storyboard"]) $(id).addEventListener("input", soon);
}

export function updateHints() {
  report("character", hint("character", [$("character").value, ...words()].map(wordsOf).join("\n")));
  report("background", hint("background", $("background").value));
  report("storyboard", LAYERS.map((layer) => hint(layer, described(layer))).filter(Boolean).join(" "));
}

export function unknownWords(text, words) {
  const found = new Set(text.normalize("NFC").toLowerCase().replace(VARIATION, " ").match(WORD) ?? []);
  return [...found].filter((word) => !forms(word).some((form) => words.has(form)));
}

function hint(layer, text) {
  const model = models[modelOf(layer)?.id];
  const unknown = model ? unknownWords(text, model.words).map((word) => word.slice(0, LONGEST)) : [];
  if (!unknown.length) return "";
  const more = unknown.length > LISTED ? ` and ${unknown.length - LISTED} more` : "";
  const offers = Object.entries(model.offers).map(([group, names]) => `${group}: ${names.join(", ")}`);
  const knows = offers.length ? ` It knows ${offers.join("; ")}.` : "";
  return `${model.id} does not know: ${unknown.slice(0, LISTED).join(", ")}${more}.${knows}`;
}

// Returns a story's descriptions of one layer; none while it has an error, which is reported on painting.
function described(layer) {
  try {
    return readStory($("storyboard").value).map((scene) => (layer === "character" ? wordsOf(scene[layer]) : scene[layer])).join("\n");
  } catch {
    return "";
  }
}

// Writes only changes, because screen readers announce them.
function report(id, words) {
  const place = $(`${id}-known`);
  if (place.textContent !== words) place.textContent = words;
}

function forms(word) {
  const end = (plural, singular) => (word.endsWith(plural) ? [word.slice(0, -plural.length) + singular] : []);
  return [word, `${word}s`, ...end("s", ""), ...end("es", ""), ...end("ies", "y"), ...end("ves", "f"), ...end("men", "man")];
}
