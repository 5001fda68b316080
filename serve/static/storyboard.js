// A whole storyboard: as a job where the service has them, which goes on without this page; else scene after scene.
import * as service from "./service.js";
import * as viewer from "./viewer.js";
import * as store from "./scene_store.js";
import * as frames from "./storyboard_frames.js";
import { sentence } from "./error_messages.js";
import { keep, paintScene, sceneOf } from "./painting.js";

let activeJob = null;

// What of the storyboard has not been painted stays unpainted.
export async function cancelJob() {
  if (activeJob) await service.cancelJob(activeJob).catch(() => {});
}

// `show(scene, layers)` puts a scene into the viewer, `open(scene)` one that was chosen.
export async function paintStoryboard({ requests, words }, signal, show, open) {
  frames.layOut(requests, words);
  let job;
  try {
    job = await service.submitJob(requests, signal);
  } catch (error) {
    if (!error.absent) throw error;
    return oneByOne(requests, signal, show, open);
  }
  const story = { id: job.id, created: Date.now(), scenes: requests, words, seen: [] };
  await keepStoryboard(story);
  return followStoryboard(story, signal, show, open);
}

// Also of a storyboard that was submitted before a reload. `seen` are the scenes that were kept once: one that was
// composed in another way since stays so, and one that was removed stays removed.
export async function followStoryboard(story, signal, show, open) {
  const { id, created, scenes: requests, words, seen = [] } = story;
  const ended = new Map();
  frames.layOut(requests, words);
  activeJob = id;
  try {
    for await (const { name, data } of service.jobEvents(id, signal, () => viewer.announce("The connection broke. Trying again…"))) {
      if (name === "job.progress") viewer.announce(sofar(data));
      if (name !== "scene.ended" || ended.has(data.index)) continue;
      ended.set(data.index, data.status);
      if (!data.url) {
        frames.failed(data.index, data.error?.message ?? "Cancelled.");
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
          await keepStoryboard({ ...story, seen });
          show(scene, layers);
        }
        frames.done(data.index, scene, open);
      } catch (error) {
        if (error.name === "AbortError" || [401, 403].includes(error.status)) throw error;
        ended.set(data.index, "failed");
        frames.failed(data.index, error.message);
      }
    }
  } finally {
    activeJob = null;
  }
  viewer.announce(tally(requests.length, [...ended.values()]));
}

async function oneByOne(requests, signal, show, open) {
  const ended = [];
  for (const [index, request] of requests.entries()) {
    frames.painting(index);
    try {
      const { scene, layers } = await paintScene(request, signal);
      ended.push("succeeded");
      frames.done(index, scene, open);
      show(scene, layers);
    } catch (error) {
      if (error.name === "AbortError" || [0, 401, 403].includes(error.status)) throw error;
      ended.push("failed");
      frames.failed(index, error.message);
      viewer.stopped("", null);
      viewer.showError(error);
    }
  }
  viewer.announce(tally(requests.length, ended));
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

const keepStoryboard = (story) => store.keepStoryboard(story).catch(() => {});
