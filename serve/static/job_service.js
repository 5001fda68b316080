// Call /v1/jobs, and handle what jobs and stories share: event streams that reconnect, and kept pictures.
import { EVENTS, JSON_IN, send, streamed } from "./service.js";
import { wire } from "./figures.js";

const address = (id) => `v1/jobs/${encodeURIComponent(id)}`;
export const newKey = () => ({ "Idempotency-Key": crypto.randomUUID?.() ?? String(Math.random()).slice(2) });

export async function submitJob(scenes, signal) {
  const body = JSON.stringify({ scenes: scenes.map(wire) });
  return (await send("v1/jobs", { method: "POST", headers: { ...JSON_IN, ...newKey() }, body, signal })).json();
}

export const jobEvents = (id, signal, onBreak) => eventsUntilEnd(`${address(id)}/events`, signal, onBreak);

// Reconnects until the work has ended, since a stream can end or break early. Each new stream reports every scene again.
export async function* eventsUntilEnd(path, signal, onBreak) {
  for (let failures = 0; ; ) {
    try {
      for await (const event of streamed(path, { headers: EVENTS, signal })) {
        failures = 0;
        yield event;
      }
      return;
    } catch (error) {
      if (!error.passing) throw error;
      if (failures) onBreak(error);
      await pause(Math.min(15, 2 ** failures) * 1000, signal);
      failures += 1;
    }
  }
}

function pause(ms, signal) {
  return new Promise((resolve, reject) => {
    const over = setTimeout(resolve, ms);
    signal?.addEventListener("abort", () => (clearTimeout(over), reject(signal.reason)), { once: true });
  });
}

export const cancelJob = (id) => cancel(address(id));

// Leaves finished work alone: deleting it would remove its pictures.
export async function cancel(path) {
  const { status } = await (await send(path)).json();
  if (status === "queued" || status === "running") await send(path, { method: "DELETE" });
}

export const jobScene = ({ id, index }, signal) => keptScene(`${address(id)}/scenes/${index}`, signal);

// Returns a kept scene in the form of a direct response; from an older service, only the picture and its seeds.
export async function keptScene(path, signal) {
  const response = await send(path, { headers: { Accept: "application/json" }, signal });
  if (response.headers.get("Content-Type")?.startsWith("application/json")) return response.json();
  const seeds = {};
  for (const [, layer, seed] of (response.headers.get("X-Seed") ?? "").matchAll(/(\w+)=(\d+)/g)) seeds[layer] = Number(seed);
  return { seeds, blob: await response.blob() };
}
