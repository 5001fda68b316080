// Paint a whole story: as a story of the service, which makes its book; otherwise as a job; otherwise scene by scene.
// The service continues a story or a job without this page, which finds it again after a reload.
import * as jobs from "./job_service.js";
import * as pages from "./story_pages.js";
import * as store from "./scene_store.js";
import * as stories from "./story_service.js";
import * as viewer from "./viewer.js";
import { sentence } from "./error_messages.js";
import { keep, paintScene, sceneOf } from "./painting.js";
import { seeded } from "./story.js";

const SOURCES = {
  story: { events: stories.storyEvents, scene: stories.storyPage, cancel: stories.cancelStory },
  job: { events: jobs.jobEvents, scene: jobs.jobScene, cancel: jobs.cancelJob },
};
const sourceOf = ({ kind = "job" }) => SOURCES[kind];  // A record kept by an older page has no kind.
let active = null;

// Cancels the pages that are not painted yet.
export async function cancel() {
  if (active) await sourceOf(active).cancel(active.id).catch(() => {});
}

// `on.show(scene, layers)` shows a scene in the viewer, `on.open(scene)` opens the one that was chosen;
// `on.begin(record, state)` is called with a story of the service, or with null.
export async function paintStory(story, signal, on) {
  const { requests, words, seed } = story;
  on.begin(null);
  pages.layOut(requests, words);
  const { kind, id } = await submit(story, signal);
  const scenes = kind === "story" ? requests : seeded(requests, seed);
  if (!kind) return oneByOne(scenes, signal, on);
  const record = { id, kind, created: Date.now(), scenes, words, seen: [], seed };
  await keepRecord(record);
  return followStory(record, signal, on);
}

// An older service has no stories, or neither stories nor jobs.
async function submit(story, signal) {
  const attempts = { story: () => stories.submitStory(story, signal), job: () => jobs.submitJob(seeded(story.requests, story.seed), signal) };
  if (story.requests.length > stories.MOST_PAGES) delete attempts.story;
  for (const [kind, attempt] of Object.entries(attempts)) {
    try {
      return { kind, id: (await attempt()).id };
    } catch (error) {
      if (!error.absent) throw error;
    }
  }
  return {};
}

// Follows a story until its pages have ended, also after a reload. `seen` lists the pages that were kept once, so that
// one that was composed differently or removed since stays that way.
export async function followStory(record, signal, on) {
  const ended = new Map();
  if (record.kind === "story") {
    const state = await stories.storyOf(record.id, signal);
    on.begin(record, state);
    pages.layOutStory(record, state);
  } else {
    on.begin(null);
    pages.layOut(record.scenes, record.words);
  }
  active = record;
  try {
    for await (const { name, data } of sourceOf(record).events(record.id, signal, () => viewer.announce("The connection was lost. Reconnecting…"))) {
      if (name.endsWith(".progress")) reportProgress(data);
      if (!/^(page|scene)\.ended$/.test(name) || ended.has(data.index)) continue;
      ended.set(data.index, data.status);
      const why = data.status === "succeeded" ? "" : data.error?.message ?? "Cancelled.";
      await settle(record, data.index, !why);
      try {
        // A page that could not be painted again keeps its old picture.
        if (data.url || data.picture) await fetchPage(record, data.index, signal, on);
        if (why) pages.failed(data.index, why);
      } catch (error) {
        if (error.name === "AbortError" || [401, 403].includes(error.status)) throw error;
        ended.set(data.index, "failed");
        pages.failed(data.index, error.message);
      }
    }
  } finally {
    if (active === record) active = null;
  }
  pages.progress(1);
  viewer.announce(tally(record.scenes.length, [...ended.values()]));
}

// Replaces a page's request once its new picture is painted.
async function settle(record, index, succeeded) {
  const { [index]: request, ...others } = record.pending ?? {};
  if (!request) return;
  record.pending = others;
  if (succeeded) record.scenes[index] = request;
  if (succeeded) record.seen = record.seen.filter((each) => each !== index);
  await keepRecord(record);
}

async function fetchPage(record, index, signal, on) {
  const { id, created, scenes, seen } = record;
  const kept = seen.includes(index) && (await store.sceneOf(`${id}-${index}`).catch(() => undefined));
  const which = { id, index };
  const { scene, layers } = kept ? { scene: kept } : sceneOf(`${id}-${index}`, created + index, scenes[index], await sourceOf(record).scene(which, signal));
  scene[record.kind === "story" ? "page" : "job"] = which;
  if (!seen.includes(index)) {
    await keep(scene, layers);
    seen.push(index);
    await keepRecord(record);
    on.show(scene, layers);
  }
  pages.done(index, scene, on.open);
}

async function oneByOne(requests, signal, on) {
  const ended = [];
  for (const [index, request] of requests.entries()) {
    pages.painting(index);
    try {
      const { scene, layers } = await paintScene(request, signal);
      ended.push("succeeded");
      pages.done(index, scene, on.open);
      on.show(scene, layers);
    } catch (error) {
      if (error.name === "AbortError" || [0, 401, 403].includes(error.status)) throw error;
      ended.push("failed");
      pages.failed(index, error.message);
      viewer.stopped("", null);
      viewer.showError(error);
    }
    pages.progress((index + 1) / requests.length);
  }
  viewer.announce(tally(requests.length, ended));
}

// Returns the layers of a scene that this browser no longer has; nothing if the service has none either.
export async function layersFromService({ id, created, request, job, page }) {
  if (!job && id !== `${page?.id}-${page?.index}`) return undefined;
  try {
    return sceneOf(id, created, request, await (page ? stories.storyPage(page) : jobs.jobScene(job))).layers;
  } catch {
    return undefined;
  }
}

function reportProgress({ done, total, ahead }) {
  pages.progress(done / total);
  viewer.announce(!done && ahead ? `Waiting for ${ahead} ${ahead === 1 ? "scene" : "scenes"} of an earlier story.` : `${done} of ${total} pages painted.`);
}

function tally(total, ended) {
  const cancelled = ended.filter((status) => status === "cancelled").length;
  const failed = ended.filter((status) => status === "failed").length;
  if (!cancelled && !failed) return `All ${total} pages painted.`;
  const rest = [failed && `${failed} failed`, cancelled && `${cancelled} cancelled`].filter(Boolean).join(", ");
  return sentence(`${total - failed - cancelled} of ${total} pages painted, ${rest}`);
}

export const keepRecord = (record) => store.keepStory(record).catch(() => {});
