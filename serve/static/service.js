// The service, by its HTTP contract.
import { eventsOf } from "./events.js";

export class ServiceError extends Error {
  constructor(status, error, retryAfter) {
    super(error.message);
    this.status = status;
    this.code = error.code;
    this.param = error.param ?? null;
    this.requestId = error.request_id ?? null;
    this.retryAfter = retryAfter;
  }

  // A service of an older version, which has no such route.
  get absent() {
    return this.status === 404 || this.status === 405;
  }
}

// Where the page is, "/" or "/paint/": several services may share one host, and with it what a browser keeps.
export const PREFIX = new URL(".", document.baseURI).pathname;
const KEY = `scenewright-key${PREFIX === "/" ? "" : PREFIX}`;
export const key = () => sessionStorage.getItem(KEY) ?? "";
export const setKey = (value) => sessionStorage.setItem(KEY, value.trim());

// `path` is relative, so that it stays below the page's own address.
async function ask(path, { headers = {}, ...options } = {}) {
  const said = key() ? { Authorization: `Bearer ${key()}`, ...headers } : headers;
  let response;
  try {
    response = await fetch(path, { ...options, headers: said });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new ServiceError(0, { code: "unreachable", message: "The service cannot be reached. Is it running?" });
  }
  if (!response.ok) throw await refusal(response);
  return response;
}

async function refusal(response) {
  const wait = Number(response.headers.get("Retry-After")) || null;
  const requestId = response.headers.get("X-Request-ID");
  try {
    const { error } = await response.json();
    return new ServiceError(response.status, { request_id: requestId, ...error }, wait);
  } catch {
    const message = `The service answered with HTTP ${response.status}.`;
    return new ServiceError(response.status, { code: "unknown", message, request_id: requestId }, wait);
  }
}

async function* streamed(path, options) {
  const response = await ask(path, options);
  let ended = false;
  try {
    for await (const event of eventsOf(response)) {
      if (event.name === "error") throw new ServiceError(response.status, event.data.error);
      ended = event.name === "scene.completed" || event.name === "job.ended";
      yield event;
    }
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;  // A connection that breaks is a TypeError.
  }
  if (!ended) {
    throw new ServiceError(0, { code: "interrupted", message: "The connection broke before the picture was done." });
  }
}

const EVENTS = { Accept: "text/event-stream" };
const JSON_IN = { "Content-Type": "application/json" };

export const paintScene = (request, signal) =>
  streamed("v1/scenes?previews=8", { method: "POST", headers: { ...EVENTS, ...JSON_IN }, body: JSON.stringify(request), signal });

export async function mergeLayers({ character, background }, options, signal) {
  const form = new FormData();
  form.append("character", character, "character.png");
  form.append("background", background, "background.png");
  form.append("options", JSON.stringify(options));
  const response = await ask("v1/merges", { method: "POST", headers: { Accept: "application/json" }, body: form, signal });
  return response.json();
}

export async function submitJob(scenes, signal) {
  const headers = { ...JSON_IN, "Idempotency-Key": crypto.randomUUID?.() ?? String(Math.random()).slice(2) };
  const response = await ask("v1/jobs", { method: "POST", headers, body: JSON.stringify({ scenes }), signal });
  return response.json();
}

export const jobEvents = (id, signal) => streamed(`v1/jobs/${encodeURIComponent(id)}/events`, { headers: EVENTS, signal });
export const cancelJob = (id) => ask(`v1/jobs/${encodeURIComponent(id)}`, { method: "DELETE" });

// A job's picture; its headers tell the seeds.
export async function jobPicture(id, index, signal) {
  const response = await ask(`v1/jobs/${encodeURIComponent(id)}/scenes/${index}`, { signal });
  const seeds = {};
  for (const [, layer, seed] of (response.headers.get("X-Seed") ?? "").matchAll(/(\w+)=(\d+)/g)) seeds[layer] = Number(seed);
  return { image: await response.blob(), seeds };
}

export async function models() {
  return (await (await ask("v1/models")).json()).data;
}

// Empty when it can paint, else why not yet.
export async function unready() {
  try {
    await ask("readyz");
    return "";
  } catch (error) {
    return error.message;
  }
}
