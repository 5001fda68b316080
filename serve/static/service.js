// Call the service by its HTTP contract.
import { wire } from "./figures.js";
import { eventsOf } from "./events.js";
import { key } from "./storage.js";

export class ServiceError extends Error {
  constructor(status, error, retryAfter) {
    super(error.message);
    this.status = status;
    this.code = error.code;
    this.param = error.param ?? null;
    this.requestId = error.request_id ?? null;
    this.retryAfter = retryAfter;
  }

  // True for an older service, which lacks the route.
  get absent() {
    return this.status === 404 || this.status === 405;
  }

  // True if the same request may succeed later.
  get passing() {
    return [0, 429, 502, 503, 504].includes(this.status) || this.code === "not_ready";
  }
}

// Every `path` is relative, so that requests stay below the page's own address.
let reportUnavailable = () => {};
// `listener` is called after a request that could not reach the service, or that found it not ready.
export const onUnavailable = (listener) => (reportUnavailable = listener);

export async function send(path, { headers = {}, ...options } = {}) {
  const said = key() ? { Authorization: `Bearer ${key()}`, ...headers } : headers;
  if (/[^\x21-\x7e]/.test(key())) throw new ServiceError(401, { code: "unauthenticated", message: "a key contains only letters, digits, - and _" });
  let response;
  try {
    response = await fetch(path, { ...options, headers: said });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw unreachable();
  }
  if (!response.ok) {
    if ([502, 503, 504].includes(response.status)) reportUnavailable();
    throw await refusal(response);
  }
  return response;
}

function unreachable() {
  reportUnavailable();
  return new ServiceError(0, { code: "unreachable", message: "The service cannot be reached. Is it running?" });
}

async function refusal(response) {
  const wait = Number(response.headers.get("Retry-After")) || null;
  const requestId = response.headers.get("X-Request-ID");
  try {
    const { error } = await response.json();
    if (!error.message) throw new TypeError("not the service's own response");
    return new ServiceError(response.status, { request_id: requestId, ...error }, wait);
  } catch {
    const message = `The service responded with HTTP ${response.status}.`;
    return new ServiceError(response.status, { code: "unknown", message, request_id: requestId }, wait);
  }
}

export async function* streamed(path, options) {
  const response = await send(path, options);
  let ended = false;
  try {
    for await (const event of eventsOf(response)) {
      if (event.name === "error") throw new ServiceError(response.status, event.data.error);
      ended = ENDS.includes(event.name);
      yield event;
    }
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;  // A broken connection raises a TypeError.
  }
  if (!ended) {
    reportUnavailable();
    throw new ServiceError(0, { code: "interrupted", message: "The connection was lost before the picture was done." });
  }
}

const ENDS = ["scene.completed", "job.ended", "story.ended"];
export const EVENTS = { Accept: "text/event-stream" };
export const JSON_IN = { "Content-Type": "application/json" };

export const paintScene = (request, signal) =>
  streamed("v1/scenes?previews=8", { method: "POST", headers: { ...EVENTS, ...JSON_IN }, body: JSON.stringify(wire(request)), signal });

export async function mergeLayers({ character, background }, options, signal) {
  const form = new FormData();
  for (const figure of [character].flat()) form.append("character", figure, "character.png");
  form.append("background", background, "background.png");
  form.append("options", JSON.stringify(options));
  const response = await send("v1/merges", { method: "POST", headers: { Accept: "application/json" }, body: form, signal });
  return response.json();
}

// Uploads a picture, which the service keeps for a day. The same picture has the same id.
export async function uploadPicture(blob, signal) {
  const form = new FormData();
  form.append("file", blob, "picture");
  return (await send("v1/pictures", { method: "POST", headers: { Accept: "application/json" }, body: form, signal })).json();
}

export const pictureFile = async (id) => (await send(`v1/pictures/${encodeURIComponent(id)}`, { headers: { Accept: "image/png" } })).blob();

export const CAST = "v1/cast";

// All of the cast, page by page.
export async function castMembers() {
  const members = [];
  for (let after = ""; after !== null; ) {
    const { data, next } = await (await send(`${CAST}?limit=100${after && `&after=${encodeURIComponent(after)}`}`)).json();
    members.push(...data);
    after = next ?? null;
  }
  return members;
}

export const addMember = (member) => send(CAST, { method: "POST", headers: JSON_IN, body: JSON.stringify(member) });
export const removeMember = (name) => send(`${CAST}/${encodeURIComponent(name)}`, { method: "DELETE" });

// Returns the OpenAPI document, which states this service's limits.
export const api = async () => (await send("openapi.json")).json();

export async function models() {
  return (await (await send("v1/models")).json()).data;
}

// Returns the service's state (`ready`, `degraded`, `not_ready` or `unreachable`), the reason and the backend.
export async function state() {
  try {
    const response = await fetch("readyz", { signal: AbortSignal.timeout(PATIENCE_MS), cache: "no-store" });
    if (!response.ok) return { state: "not_ready", reason: (await refusal(response)).message };
    const { status, backend, reason, reasons } = await response.json().catch(() => ({}));
    return { state: status === "degraded" ? "degraded" : "ready", reason: reason ?? reasons?.join("; ") ?? "see its log", backend };
  } catch {
    return { state: "unreachable" };
  }
}
const PATIENCE_MS = 10_000;
