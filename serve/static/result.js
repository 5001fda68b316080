// Show a finished picture's details, its layers, and the actions on it.
import { key } from "./storage.js";
import { figuresOf, wire } from "./figures.js";
import { offer, show } from "./pictures.js";
import { figurePrompt } from "./prompts.js";
import { sentence } from "./error_messages.js";
import { hasCast } from "./cast.js";
import { can } from "./models.js";
import { button } from "./controls.js";

const $ = (id) => document.getElementById(id);
const NAMES = { character: "Character", background: "Place" };

// `scene` is a kept scene, `layers` its pictures, if any. `actions` take a layer as { layer, index }: `again` paints it
// with another seed, `vary` from its picture, `part` only what a brush marks; `keep` puts a figure into the cast.
export function showResult(scene, layers, actions) {
  const { request, answer, image } = scene;
  $("notes").replaceChildren(...notes(answer).map(([words, kind]) => Object.assign(document.createElement("li"), { textContent: words, className: kind })));
  offer($("download"), image);
  $("download").download = `scene-${seed(scene, "character")}-${seed(scene, "background")}.${image.type.split("/")[1].replace("jpeg", "jpg")}`;
  const used = figureSeeds(scene);
  const figures = figuresOf(request).map((fields, index) => card({ layer: "character", index }, fields, used[index], layers, actions));
  $("layers").replaceChildren(...figures, card({ layer: "background" }, request.background, seed(scene, "background"), layers, actions));
}

const nameOf = ({ layer, index }) => (index ? `Figure ${index + 1}` : NAMES[layer]);

// Names a layer in a sentence: "the character", "figure 2", "the place".
export const spokenName = ({ layer, index }) => (index ? `figure ${index + 1}` : `the ${NAMES[layer].toLowerCase()}`);

// Returns a layer's picture before it was cut out; nothing for a figure that an older page kept.
export const paintedOf = (layers, { layer, index }) => layers?.[layer === "background" ? layer : index ? `painted-${index}` : "painted"];

// Returns the seeds of the figures after the first.
export const otherSeeds = (scene) => (scene.request.others ?? []).map(({ seed: own }, index) => scene.answer.seeds?.characters?.[index + 1] ?? own);

export const figureSeeds = (scene) => [seed(scene, "character"), ...otherSeeds(scene)];

export const seeds = (scene) => ({ character: seed(scene, "character"), background: seed(scene, "background") });

// Returns the request that repeats this picture, however it was composed since it was painted.
export function reproducible(scene) {
  const { character, background, ...rest } = scene.request;
  const given = { character: { ...character, seed: seed(scene, "character") }, background: { ...background, seed: seed(scene, "background") }, ...rest };
  delete given.layers;
  const { painted } = scene;
  // The sizes at the time of painting: they depended on the frame and the mode of that time.
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

// The request names its pictures by id.
export const copied = ({ request }) => `Copied as a curl command.${JSON.stringify(request).includes('"pic_') ? " The service keeps its pictures for a day." : ""}`;

// Returns the scale at which the figure fills the frame; nothing if it already does.
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

function notes({ merge, cast, degraded = [], warnings = [], timings_ms: ms }) {
  const said = degraded.map((how) => [sentence(`Not as requested: ${how}`), "degraded"]);
  said.push(...warnings.map((warning) => [sentence(warning), ""]));
  const facts = [];
  if (merge) facts.push(merge.mode === "cutout" ? `Cut out with ${Math.round(100 * merge.confidence)}% confidence` : "Pasted as it is");
  const heroes = [cast?.character, ...(cast?.characters ?? [])].filter((hero) => hero?.consistency !== undefined && hero.consistency !== null);
  facts.push(...heroes.map(({ name, consistency }) => `${name} is ${Math.round(100 * consistency)}% similar to the kept picture`));
  if (ms?.["character-denoise"]) {
    const [character, background] = ["character", "background"].map((layer) => seconds(ms, layer));
    facts.push(`character ${character.toFixed(1)} s, place ${background.toFixed(1)} s at the same time, merge ${((ms.merge + ms.output) / 1000).toFixed(2)} s`);
  }
  if (facts.length) said.push([facts.join(" · "), ""]);
  return said;
}

const seconds = (ms, layer) => ["encode", "denoise", "decode"].reduce((sum, stage) => sum + (ms[`${layer}-${stage}`] ?? 0), 0) / 1000;

function card(target, { prompt, model }, number, layers, actions) {
  const { layer, index } = target;
  const [name, spoken] = [nameOf(target), spokenName(target)];
  const repaint = Object.assign(document.createElement("div"), { className: "repaint" });
  const offer = (words, label, action) => {
    const offered = button(words, () => action(target));
    offered.setAttribute("aria-label", label);
    repaint.append(offered);
  };
  offer("Paint again", `Paint ${spoken} again`, actions.again);
  if (paintedOf(layers, target)) {
    if (can(layer, "image_to_image", model)) offer("Vary", `Vary ${spoken}`, actions.vary);
    if (can(layer, "inpainting", model)) offer("Paint a part again", `Paint a part of ${spoken} again`, actions.part);
    if (layer === "character" && hasCast()) offer("Keep this figure", `Keep this figure: ${name.toLowerCase()}`, actions.keep);
  }
  return cardOf(name, prompt, number, layers?.[index ? `character-${index}` : layer], repaint);
}

function cardOf(name, prompt, number, picture, actions) {
  const article = Object.assign(document.createElement("article"), { className: "layer" });
  const img = Object.assign(document.createElement("img"), { alt: `${name} alone: ${prompt}` });
  const words = document.createElement("div");
  words.append(
    Object.assign(document.createElement("h3"), { textContent: name }),
    Object.assign(document.createElement("p"), { textContent: `seed ${number}` }),
    actions,
  );
  show(img, picture);
  article.append(img, words);
  return article;
}
