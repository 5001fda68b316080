// A whole storyboard: as a job where the service has them, which goes on without this page; else scene after scene.
import * as service from "./service.js";
import * as stage from "./stage.js";
import * as store from "./shelf_store.js";
import * as strip from "./strip.js";
import { sentence } from "./faults.js";
import { keep, paintScene, sceneOf } from "./painting.js";

let activeJob = null;

// What of the storyboard has not been painted stays unpainted.
export async function cancelJob() {
  if (activeJob) await service.cancelJob(activeJob).catch(() => {});
}

// `show(scene, layers)` puts a scene on the stage, `open(scene)` one that was chosen.
export async function paintStoryboard({ requests, words }, signal, show, open) {
  strip.lay(requests, words);
  let job;
  try {
    job = await service.submitJob(requests, signal);
  } catch (error) {
    if (!error.absent) throw error;
    return oneByOne(requests, signal, show, open);
  }
  const board = { id: job.id, created: Date.now(), scenes: requests, words, seen: [] };
  await keepBoard(board);
  return followBoard(board, signal, show, open);
}

// Also of a storyboard that was asked for before a reload. `seen` are the scenes that were kept once: one that was
// composed in another way since stays so, and one that was removed stays removed.
export async function followBoard(board, signal, show, open) {
  const { id, created, scenes: requests, words, seen = [] } = board;
  const ended = new Map();
  strip.lay(requests, words);
  activeJob = id;
  try {
    for await (const { name, data } of service.jobEvents(id, signal, () => stage.say("The connection broke. Trying again…"))) {
      if (name === "job.progress") stage.say(sofar(data));
      if (name !== "scene.ended" || ended.has(data.index)) continue;
      ended.set(data.index, data.status);
      if (!data.url) {
        strip.failed(data.index, data.error?.message ?? "Cancelled.");
        continue;
      }
      try {
        const kept = seen.includes(data.index) && (await store.sceneOf(`${id}-${data.index}`).catch(() => undefined));
        const job = { id, index: data.index };
        const { scene, layers } = kept ? { scene: kept } : sceneOf(`${id}-${data.index}`, created + data.index, requests[data.index], await service.jobScene(job, signal));
        scene.job = job;
        if (!seen.includes(data.index)) {
          await keep(scene, layers);
          seen.push(data.index);
          await keepBoard({ ...board, seen });
          show(scene, layers);
        }
        strip.done(data.index, scene, open);
      } catch (error) {
        if (error.name === "AbortError" || [401, 403].includes(error.status)) throw error;
        ended.set(data.index, "failed");
        strip.failed(data.index, error.message);
      }
    }
  } finally {
    activeJob = null;
  }
  stage.say(tally(requests.length, [...ended.values()]));
}

async function oneByOne(requests, signal, show, open) {
  const ended = [];
  for (const [index, request] of requests.entries()) {
    strip.painting(index);
    try {
      const { scene, layers } = await paintScene(request, signal);
      ended.push("succeeded");
      strip.done(index, scene, open);
      show(scene, layers);
    } catch (error) {
      if (error.name === "AbortError" || [0, 401, 403].includes(error.status)) throw error;
      ended.push("failed");
      strip.failed(index, error.message);
      stage.stopped("", null);
      stage.fault(error);
    }
  }
  stage.say(tally(requests.length, ended));
}

// The layers of a scene whose own are no longer in this browser; nothing where the service has none either.
export async function layersFromJob(scene) {
  if (!scene.job) return undefined;
  try {
    return sceneOf(scene.id, scene.created, scene.request, await service.jobScene(scene.job)).layers;
  } catch {
    return undefined;
  }
}

const sofar = ({ done, total, ahead }) =>
  !done && ahead ? `Waiting for ${ahead} ${ahead === 1 ? "scene" : "scenes"} of an earlier storyboard.` : `${done} of ${total} scenes painted.`;

function tally(total, ended) {
  const cancelled = ended.filter((status) => status === "cancelled").length;
  const failed = ended.filter((status) => status === "failed").length;
  if (!cancelled && !failed) return `All ${total} scenes painted.`;
  const rest = [failed && `${failed} failed`, cancelled && `${cancelled} cancelled`].filter(Boolean).join(", ");
  return sentence(`${total - failed - cancelled} of ${total} scenes painted, ${rest}`);
}

const keepBoard = (board) => store.keepBoard(board).catch(() => {});
