import type { paths } from "./api.js";
import { ScenewrightError, errorOf } from "./errors.js";
import { readEvents, untilLast } from "./events.js";

export { ScenewrightError } from "./errors.js";

type Post<Path extends keyof paths> = paths[Path] extends { post: infer Operation } ? Operation : never;
type Body<Path extends keyof paths> =
  Post<Path> extends { requestBody: { content: { "application/json": infer Json } } } ? Json : never;
type Answer<Operation, Status extends number> = Operation extends {
  responses: Record<Status, { content: { "application/json": infer Json } }>;
}
  ? Json
  : never;

export type SceneRequest = Body<"/v1/scenes">;
export type CharacterRequest = Body<"/v1/characters">;
export type BackgroundRequest = Body<"/v1/backgrounds">;
export type JobRequest = Body<"/v1/jobs">;
export type TokenRequest = Body<"/v1/tokens">;
export type Scene = Answer<Post<"/v1/scenes">, 200>;
export type Layer = Answer<Post<"/v1/characters">, 200>;
export type JobAccepted = Answer<Post<"/v1/jobs">, 202>;
export type Job = Answer<paths["/v1/jobs/{job_id}"]["get"], 200>;
export type Token = Answer<Post<"/v1/tokens">, 201>;
export type Picture = Scene["image"];

/** An event of a scene's stream. Ignore names that you do not know. */
export type SceneEvent =
  | { event: "layer.queued"; data: { layer: string; ahead: number; index?: number } }
  | { event: "layer.progress"; data: { layer: string; step: number; steps: number; preview?: string; index?: number } }
  | { event: "layer.completed"; data: { layer: string; seed: number; degraded: string[]; index?: number } }
  | { event: "scene.preview"; data: { preview: string } }
  | { event: "scene.completed"; data: Scene };

/** `token`: from `POST /v1/tokens`, or a function that fetches one from your server. Never put a key into a page. */
export interface Options {
  token?: string | (() => string | Promise<string>);
  /** Replaces the global fetch, for example in tests. */
  fetch?: typeof fetch;
}

/** `signal` aborts the call; `idempotencyKey` makes it safe to repeat. */
export interface CallOptions {
  signal?: AbortSignal;
  idempotencyKey?: string;
}

/** A client of the service at an address. */
export class Scenewright {
  readonly #base: string;
  readonly #options: Options;

  constructor(address: string | URL, options: Options = {}) {
    this.#base = String(address).replace(/\/+$/, "");
    this.#options = options;
  }

  /** Paint a scene: POST /v1/scenes. */
  scene(request: SceneRequest, options: CallOptions = {}): Promise<Scene> {
    return this.#json("POST", "/v1/scenes", options, request);
  }

  /** Paint a scene and yield an event for every step. The last event is `scene.completed`. */
  sceneEvents(request: SceneRequest, options: CallOptions & { previews?: number } = {}): AsyncGenerator<SceneEvent> {
    const query = options.previews === undefined ? "" : `?previews=${options.previews}`;
    return this.#events("POST", `/v1/scenes${query}`, "scene.completed", options, request) as AsyncGenerator<SceneEvent>;
  }

  /** Submit a scene and return the job that paints it: `Prefer: respond-async`. */
  sceneLater(request: SceneRequest, options: CallOptions = {}): Promise<JobAccepted> {
    return this.#json("POST", "/v1/scenes", options, request, { Prefer: "respond-async" });
  }

  /** Paint a figure alone: POST /v1/characters. */
  character(request: CharacterRequest, options: CallOptions = {}): Promise<Layer> {
    return this.#json("POST", "/v1/characters", options, request);
  }

  /** Paint a place alone: POST /v1/backgrounds. */
  background(request: BackgroundRequest, options: CallOptions = {}): Promise<Layer> {
    return this.#json("POST", "/v1/backgrounds", options, request);
  }

  /** Submit scenes to be painted later: POST /v1/jobs. */
  submitJob(request: JobRequest, options: CallOptions = {}): Promise<JobAccepted> {
    return this.#json("POST", "/v1/jobs", options, request);
  }

  /** Return a job: GET /v1/jobs/{id}. */
  job(id: string, options: CallOptions = {}): Promise<Job> {
    return this.#json("GET", `/v1/jobs/${encodeURIComponent(id)}`, options);
  }

  /** Cancel a job, or remove one that has ended: DELETE /v1/jobs/{id}. */
  endJob(id: string, options: CallOptions = {}): Promise<JobAccepted> {
    return this.#json("DELETE", `/v1/jobs/${encodeURIComponent(id)}`, options);
  }

  /** Return the picture of a job's scene: GET /v1/jobs/{id}/scenes/{index}. */
  async jobPicture(id: string, index: number, options: CallOptions = {}): Promise<Blob> {
    const accept = { Accept: "image/*" };
    return (await this.#send("GET", `/v1/jobs/${encodeURIComponent(id)}/scenes/${index}`, options, undefined, accept)).blob();
  }

  /** Yield an event for each of a job's scenes as it ends. The last event is `job.ended`. */
  jobEvents(id: string, options: CallOptions = {}): AsyncGenerator<{ event: string; data: unknown }> {
    return this.#events("GET", `/v1/jobs/${encodeURIComponent(id)}/events`, "job.ended", options);
  }

  /** Mint a token with a key, on your own server: POST /v1/tokens. */
  mintToken(request: TokenRequest = {}, options: CallOptions = {}): Promise<Token> {
    return this.#json("POST", "/v1/tokens", options, request);
  }

  async #json<T>(method: string, path: string, options: CallOptions, body?: unknown, headers = {}): Promise<T> {
    const response = await this.#send(method, path, options, body, { Accept: "application/json", ...headers });
    return (await jsonOf(response)) as T;
  }

  async *#events(
    method: string,
    path: string,
    last: string,
    options: CallOptions,
    body?: unknown,
  ): AsyncGenerator<{ event: string; data: unknown }, void, void> {
    const response = await this.#send(method, path, options, body, { Accept: "text/event-stream" });
    if (!response.body) throw errorOf(null, response.status);
    yield* untilLast(readEvents(response.body), last);
  }

  async #send(
    method: string,
    path: string,
    options: CallOptions,
    body: unknown,
    headers: Record<string, string>,
  ): Promise<Response> {
    const { token } = this.#options;
    const bearer = typeof token === "function" ? await token() : token;
    const sent: Record<string, string> = { ...headers };
    if (bearer) sent["Authorization"] = `Bearer ${bearer}`;
    if (body !== undefined) sent["Content-Type"] = "application/json";
    if (options.idempotencyKey) sent["Idempotency-Key"] = options.idempotencyKey;
    const init: RequestInit = { method, headers: sent, redirect: "error", credentials: "omit" };
    if (body !== undefined) init.body = JSON.stringify(body);
    if (options.signal) init.signal = options.signal;
    const call = this.#options.fetch ?? globalThis.fetch;
    let response: Response;
    try {
      response = await call(this.#base + path, init);
    } catch (error) {
      if (options.signal?.aborted) throw error;
      const why = "no response arrived: is the address right, and is this page's origin one of the allowed_origins?";
      throw new ScenewrightError(why, 0, "unreachable");
    }
    if (!response.ok) throw errorOf(await jsonOf(response), response.status, response.headers);
    return response;
  }
}

/** Return the address at which an `<img>` shows a response's picture: its link, or a data URL. */
export function sourceOf(picture: Picture): string {
  return picture.url ?? `data:image/${picture.format};base64,${picture.b64_json ?? ""}`;
}

async function jsonOf(response: Response): Promise<unknown> {
  try {
    return await response.json();
  } catch {
    throw errorOf(null, response.status);
  }
}
