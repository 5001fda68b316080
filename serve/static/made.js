// What is below a finished picture: what is known of it, its layers, and what can be done with it.
import { key } from "./storage.js";
import { figuresOf, wire } from "./cast.js";
import { offer, show } from "./pictures.js";
import { figurePrompt } from "./prompts.js";
import { sentence } from "./faults.js";

const $ = (id) => document.getElementById(id);
const NAMES = { character: "Character", background: "Place" };

// `scene` is a kept scene, `layers` its pictures or nothing; `again(layer)` paints one layer once more.
export function tell(scene, layers, again) {
  const { request, answer, image } = scene;
  $("notes").replaceChildren(...notes(answer).map(([words, kind]) => Object.assign(document.createElement("li"), { textContent: words, className: kind })));
  offer($("download"), image);
  $("download").download = `scene-${seed(scene, "character")}-${seed(scene, "background")}.${image.type.split("/")[1].replace("jpeg", "jpg")}`;
  const others = (request.others ?? []).map(({ prompt }, index) => cardOf(`Figure ${index + 2}`, prompt, otherSeeds(scene)[index], layers?.[`character-${index + 1}`]));
  const [character, background] = Object.keys(NAMES).map((layer) => card(layer, request, scene, layers?.[layer], again));
  $("layers").replaceChildren(character, ...others, background);
}

// The seeds of the figures after the first.
export const otherSeeds = (scene) => (scene.request.others ?? []).map(({ seed: own }, index) => scene.answer.seeds?.characters?.[index + 1] ?? own);

export const seeds = (scene) => ({ character: seed(scene, "character"), background: seed(scene, "background") });

// The request that gives this very picture, however it was composed since it was painted.
export function reproducible(scene) {
  const { character, background, ...rest } = scene.request;
  const given = { character: { ...character, seed: seed(scene, "character") }, background: { ...background, seed: seed(scene, "background") }, ...rest };
  delete given.layers;
  const { painted } = scene;
  // A place is painted in the shape of its frame, and a figure as it will be set in: as they were then.
  for (const layer of Object.keys(NAMES)) Object.assign(given[layer], painted?.sizes?.[layer]);
  if (rest.others) given.others = rest.others.map((other, index) => ({ ...other, seed: otherSeeds(scene)[index], ...painted?.sizes?.others?.[index] }));
  if (painted && (painted.mode === "paste") !== (rest.merge.mode === "paste")) {
    for (const figure of figuresOf(given)) Object.assign(figure, { prompt: figurePrompt(figure.prompt, painted.mode !== "paste"), enhance_prompt: false });
  }
  return given;
}

export function curl(scene) {
  const [address, body] = [new URL("v1/scenes", document.baseURI).href, JSON.stringify(wire(reproducible(scene)))].map((words) => words.replaceAll("'", "'\\''"));
  const authorization = key() ? ' -H "Authorization: Bearer $SCENEWRIGHT_API_KEY"' : "";
  return `curl -s '${address}' -H 'Content-Type: application/json'${authorization} -d '${body}' -o scene.jpg -fS`;
}

// How large the figure can be made until it fills the frame, by how large it is now. Nothing where it already does.
export function largestScale({ request: { merge }, answer }) {
  if (answer.merge?.mode !== "cutout" || answer.merge.figures) return 1;
  const [, y, wide, high] = answer.merge.box;
  const grows = Math.min((y + high) / high, merge.width / wide);
  if (grows === 1 && merge.scale > 1) return undefined;
  return Math.max(1, Math.floor(20 * merge.scale * grows + 1e-9) / 20);
}

function seed(scene, layer) {
  const { seeds: used } = scene.answer;
  return (layer === "character" ? used?.characters?.[0] : undefined) ?? used?.[layer] ?? scene.request[layer].seed;
}

function notes({ merge, degraded = [], warnings = [], timings_ms: ms }) {
  const said = degraded.map((how) => [sentence(`Not as requested: ${how}`), "degraded"]);
  said.push(...warnings.map((warning) => [sentence(warning), ""]));
  const facts = [];
  if (merge) facts.push(merge.mode === "cutout" ? `Cut out with ${Math.round(100 * merge.confidence)}% confidence` : "Pasted as it is");
  if (ms?.["character-denoise"]) {
    const [character, background] = ["character", "background"].map((layer) => seconds(ms, layer));
    facts.push(`character ${character.toFixed(1)} s, place ${background.toFixed(1)} s at the same time, merge ${((ms.merge + ms.output) / 1000).toFixed(2)} s`);
  }
  if (facts.length) said.push([facts.join(" · "), ""]);
  return said;
}

const seconds = (ms, layer) => ["encode", "denoise", "decode"].reduce((sum, stage) => sum + (ms[`${layer}-${stage}`] ?? 0), 0) / 1000;

function card(layer, request, scene, picture, again) {
  const button = Object.assign(document.createElement("button"), { type: "button", className: "secondary", textContent: "Paint again" });
  button.setAttribute("aria-label", `Paint the ${NAMES[layer].toLowerCase()} again`);
  button.addEventListener("click", () => again(layer));
  return cardOf(NAMES[layer], request[layer].prompt, seed(scene, layer), picture, button);
}

function cardOf(name, prompt, number, picture, ...buttons) {
  const article = Object.assign(document.createElement("article"), { className: "layer" });
  const img = Object.assign(document.createElement("img"), { alt: `${name} alone: ${prompt}` });
  const words = document.createElement("div");
  words.append(
    Object.assign(document.createElement("h3"), { textContent: name }),
    Object.assign(document.createElement("p"), { textContent: `seed ${number}` }),
    ...buttons,
  );
  show(img, picture);
  article.append(img, words);
  return article;
}
