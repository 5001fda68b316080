// Show at the top whether the service can paint and with which models; check every few seconds.
import * as service from "./service.js";
import * as cast from "./cast.js";
import { learnWords } from "./known_words.js";
import { offerModels } from "./models.js";

const $ = (id) => document.getElementById(id);
const WHEN_READY_MS = 5000;
const WHEN_NOT_MS = 2000;
let timer = 0;
let looking = null;
let models = null;  // { names, needsKey }, once known.

export function watch() {
  service.onUnavailable(soon);
  document.addEventListener("visibilitychange", soon);
  return look();
}

// Checks at once, for example after a failed request or with another key.
export function soon() {
  models = null;
  if (!document.hidden) look();
}

async function look() {
  looking ??= once().finally(() => (looking = null));
  await looking;
  clearTimeout(timer);
  // A hidden page sends nothing; it checks again as soon as it is visible.
  if (!document.hidden) timer = setTimeout(look, $("service").dataset.state === "ready" ? WHEN_READY_MS : WHEN_NOT_MS);
}

async function once() {
  const { state, reason, backend } = await service.state();
  if (state === "unreachable") return report("trouble", "No connection to the service");
  if (state === "not_ready") return report("waiting", `Not ready: ${reason}`);
  const { names, needsKey } = (models ??= await known()) ?? { names: [], needsKey: false };
  const parts = [state === "degraded" ? `Ready, but degraded: ${reason}` : "Ready"];
  parts.push(...(backend === "simulated" ? ["simulated pictures, no model"] : names));
  if (needsKey) parts.push("needs an API key");
  report("ready", parts.join(" · "));
}

async function known() {
  try {
    const cards = await service.models();
    offerModels(cards);
    learnWords(cards);
    await cast.load();
    return { names: [...new Set(cards.filter((card) => card.serving?.length).map((card) => card.id))], needsKey: false };
  } catch (error) {
    return error.status === 401 ? { names: [], needsKey: true } : null;
  }
}

// Writes only changes, because screen readers announce them.
function report(state, words) {
  $("service").dataset.state = state;
  if ($("service").textContent !== words) $("service").textContent = words;
}
