// One scene, and a whole storyboard: from requests to kept scenes.
import * as service from "./service.js";
import * as stage from "./stage.js";
import * as store from "./shelf_store.js";
import * as strip from "./strip.js";
import { blobOf } from "./pictures.js";

let activeJob = null;

// What of the storyboard has not been painted stays unpainted.
export async function cancelJob() {
  if (activeJob) await service.cancelJob(activeJob).catch(() => {});
}

// Streams a scene over the stage. Returns it and its layers, kept.
export async function paintScene(request, signal) {
  stage.begin(request);
  let answer;
  for await (const { name, data } of service.paintScene(request, signal)) {
    if (name === "layer.queued") stage.queued(data);
    else if (name === "layer.progress") stage.progress(data);
    else if (name === "layer.completed") stage.layerDone(data);
    else if (name === "scene.preview") stage.together(data);
    else if (name === "scene.completed") answer = data;
  }
  const { image, layers, ...rest } = answer;
  const scene = { id: answer.id, created: Date.now(), request, answer: rest, image: blobOf(image) };
  const apart = layers && { character: blobOf(layers.character), background: blobOf(layers.background) };
  await keep(scene, apart);
  return { scene, layers: apart };
}

// The kept layers, set together in another way. Returns the scene as it now is, kept.
export async function mergeAgain(scene, layers, merging, signal) {
  const answer = await service.mergeLayers(layers, merging, signal);
  const { enhance, ...request } = scene.request;
  const { merge, warnings } = answer;
  const changed = { ...scene, request: { ...request, ...merging }, answer: { ...scene.answer, merge, warnings }, image: blobOf(answer.image) };
  await keep(changed);
  return changed;
}

// As a job where the service has them, which goes on without this page; else one scene after the other.
export async function paintStoryboard(requests, signal, open) {
  strip.lay(requests);
  let job;
  try {
    job = await service.submitJob(requests.map(({ layers, ...request }) => request), signal);
  } catch (error) {
    if (!error.absent) throw error;
    return oneByOne(requests, signal, open);
  }
  const board = { id: job.id, created: Date.now(), scenes: requests };
  await store.keepBoard(board).catch(() => {});
  return followBoard(board, signal, open);
}

// Also of a storyboard that was asked for before a reload.
export async function followBoard({ id, created, scenes: requests }, signal, open) {
  strip.lay(requests);
  let failures = 0;
  activeJob = id;
  try {
    for await (const { name, data } of service.jobEvents(id, signal)) {
      if (name === "job.progress") stage.say(sofar(data));
      if (name !== "scene.ended") continue;
      if (data.url) {
        const { image, seeds } = await service.jobPicture(id, data.index, signal);
        const scene = { id: `${id}-${data.index}`, created: created + data.index, request: requests[data.index], answer: { seeds }, image };
        await keep(scene);
        strip.done(data.index, scene, open);
      } else {
        failures += 1;
        strip.failed(data.index, data.error?.message ?? "Cancelled.");
      }
    }
  } finally {
    activeJob = null;
  }
  stage.say(tally(requests.length, failures));
}

async function oneByOne(requests, signal, open) {
  let failures = 0;
  for (const [index, request] of requests.entries()) {
    strip.painting(index);
    try {
      const { scene } = await paintScene(request, signal);
      strip.done(index, scene, open);
      await open(scene);
    } catch (error) {
      if (error.name === "AbortError" || [0, 401, 403].includes(error.status)) throw error;
      failures += 1;
      strip.failed(index, error.message);
      stage.fault(error);
    }
  }
  stage.say(tally(requests.length, failures));
}

const sofar = ({ done, total, ahead }) =>
  !done && ahead ? `Waiting for ${ahead} ${ahead === 1 ? "scene" : "scenes"} of an earlier storyboard.` : `${done} of ${total} scenes painted.`;
const tally = (total, failures) => (failures ? `${total - failures} of ${total} scenes painted, ${failures} not.` : `All ${total} scenes painted.`);

// A browser that keeps nothing still shows what was painted.
const keep = (scene, layers) => store.keep(scene, layers).catch(() => {});
