// Paint a scene and keep it, or compose its layers differently.
import * as service from "./service.js";
import * as viewer from "./viewer.js";
import * as store from "./scene_store.js";
import { figuresOf, isSeveral, placements } from "./figures.js";
import { blobOf } from "./pictures.js";
import { isExpired, uploadAgain } from "./uploads.js";

// Streams a scene into the viewer, keeps it, and returns it with its layers. `requested` is the request to keep, if
// it differs from the one to send; `mode` is the mode that its figure is painted for.
export async function paintScene(request, signal, requested = request, mode = request.merge.mode) {
  viewer.begin(request);
  let answer;
  for await (const { name, data } of eventsOf(request, signal)) {
    if (name === "layer.queued") viewer.queued(data);
    else if (name === "layer.progress") viewer.progress(data);
    else if (name === "layer.completed") viewer.layerDone(data);
    else if (name === "scene.preview") viewer.together(data);
    else if (name === "scene.completed") answer = data;
  }
  const shown = sceneOf(answer.id, Date.now(), requested, answer, mode);
  await keep(shown.scene, shown.layers);
  return shown;
}

// If a picture that the request names has expired, it is uploaded again and gets the same id.
async function* eventsOf(request, signal) {
  try {
    yield* service.paintScene(request, signal);
  } catch (error) {
    if (!isExpired(error) || !(await uploadAgain(request, signal))) throw error;
    yield* service.paintScene(request, signal);
  }
}

// Returns a scene in the form that this page keeps. `painted` records how its layers were painted, however they
// are composed later.
export function sceneOf(id, created, request, { image, blob, layers, ...answer }, mode = request.merge.mode) {
  const named = layers && byName(layers);
  const sizes = named?.painted && {
    character: sizeOf(request.character, named.painted),
    background: sizeOf(request.background, named.background),
    others: request.others?.map((requested, index) => sizeOf(requested, named[nameOf("painted", index + 1)])),
  };
  const scene = { id, created, request, answer, painted: { mode, sizes }, image: blob ?? blobOf(image) };
  const apart = named && Object.fromEntries(Object.entries(named).map(([name, picture]) => [name, blobOf(picture)]));
  return { scene, layers: apart };
}

// Returns a scene's layers by the names they are kept under; the first figure's are named like a single figure's.
function byName({ background, character, characters = [character], painted }) {
  const figures = characters.flatMap((picture, index) => [[nameOf("character", index), picture], [nameOf("painted", index), [painted].flat()[index]]]);
  return Object.fromEntries([["background", background], ...figures].filter(([, picture]) => picture));
}

const nameOf = (name, index) => (index ? `${name}-${index}` : name);

// Returns the requested size, or the received one: a very large layer arrives smaller than it was painted.
const sizeOf = (requested, came) => (requested.width ? { width: requested.width, height: requested.height } : { width: came.width, height: came.height });

// Composes the kept layers differently. Keeps and returns the new scene.
export async function mergeLayersOf(scene, layers, merging, signal) {
  const answer = await service.mergeLayers(filesFor(scene, layers, merging), optionsFor(scene, merging), signal);
  const { enhance, ...request } = scene.request;
  const { merge, warnings } = answer;
  const changed = { ...scene, composed: true, request: { ...request, ...merging }, answer: { ...scene.answer, merge, warnings }, image: blobOf(answer.image) };
  await keep(changed);
  return changed;
}

// Returns the merge with the figure at its usual size.
export async function usualBox(scene, layers, signal) {
  const { merge } = scene.request;
  const usual = { merge: { ...merge, scale: 1 } };
  return (await service.mergeLayers(filesFor(scene, layers, usual), optionsFor(scene, usual), signal)).merge;
}

// Returns the pictures to merge: a pasted figure, or one not yet cut out, is the rectangle that the model painted.
function filesFor(scene, layers, { merge }) {
  const found = scene.answer.merge;
  const character = figuresOf(scene.request).map((_, index) => {
    const cutOut = merge.mode !== "paste" && (found?.figures?.[index] ?? found)?.mode === "cutout";
    const figure = layers[nameOf("character", index)];
    return cutOut ? figure : layers[nameOf("painted", index)] ?? figure;
  });
  return { character, background: layers.background };
}

// Returns the options of a merge. If there are several figures, each has its own position.
function optionsFor({ request }, { merge: { position, ...merge }, ...rest }) {
  return isSeveral(request) ? { ...rest, merge, figures: placements(request) } : { ...rest, merge: { position, ...merge } };
}

// The picture is shown even if the browser cannot keep it.
export const keep = (scene, layers) => store.keep(scene, layers).catch(() => {});
