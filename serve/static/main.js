// What the page does, and when.
import * as form from "./form.js";
import * as made from "./made.js";
import * as service from "./service.js";
import * as stage from "./stage.js";
import * as store from "./shelf_store.js";
import { fillShelf } from "./shelf.js";
import { cancelJob, followBoard, mergeAgain, paintScene, paintStoryboard } from "./painting.js";

const $ = (id) => document.getElementById(id);
const MERGE_DELAY_MS = 200;
let current = null;  // { scene, layers } on the stage
let working = null;  // the AbortController of what is being painted
let merging = null;
let mergeTimer = 0;

async function work(task) {
  working?.abort();
  merging?.abort();
  working = new AbortController();
  const mine = working;
  busy(true);
  stage.clearFault();
  try {
    await task(mine.signal);
  } catch (error) {
    if (mine === working) tellFault(error);
  } finally {
    if (mine === working) {
      working = null;
      busy(false);
      await fillShelf(open);
    }
  }
}

function tellFault(error) {
  if (error.name === "AbortError") {
    stage.stopped("Stopped.", current?.scene);
    return;
  }
  stage.stopped("", null);
  stage.fault(error);
  const control = form.controlOf(error.param);
  if (error.status === 401) $("key").closest("details").open = true;
  if (error.status === 401) $("key").focus();
  else if (control) {
    if (control.closest("details")) control.closest("details").open = true;
    control.setAttribute("aria-invalid", "true");
    control.focus();
  }
}

const paintOne = (request) =>
  work(async (signal) => {
    present(await paintScene(request, signal));
    stage.say("Done.");
  });

function present(shown) {
  current = shown;
  stage.reveal(shown.scene);
  made.tell(shown.scene, shown.layers, again);
  $("composition-hint").textContent = shown.layers ? "Changes show at once: the layers need not be painted again." : "Changes count when you paint: this scene's layers were not kept.";
}

async function open(scene) {
  const layers = await store.layersOf(scene.id).catch(() => undefined);
  form.fill(scene.request);
  stage.clearFault();
  present({ scene, layers });
  stage.say("");
  if (!working) $("stage").scrollIntoView({ block: "nearest" });
}

// One layer with a new seed, the other with the one it has.
function again(layer) {
  const request = { ...made.reproducible(current.scene), ...form.merging(), layers: true };
  request[layer] = { ...request[layer], seed: Math.floor(Math.random() * 2 ** 32) };
  return paintOne(request);
}

function mergeSoon() {
  clearTimeout(mergeTimer);
  if (current?.layers && !working) mergeTimer = setTimeout(mergeNow, MERGE_DELAY_MS);
}

async function mergeNow() {
  merging?.abort();
  merging = new AbortController();
  const mine = merging;
  stage.merging(true);
  try {
    const scene = await mergeAgain(current.scene, current.layers, form.merging(), mine.signal);
    present({ scene, layers: current.layers });
    stage.say("Set together anew.");
    await fillShelf(open);
  } catch (error) {
    if (error.name === "AbortError") return;
    if (error.absent) $("composition-hint").textContent = "This service cannot set layers together anew: changes count when you paint.";
    else stage.fault(error);
  } finally {
    if (mine === merging) stage.merging(false);
  }
}

function submit(event) {
  event?.preventDefault();
  if (form.kind() === "scene") {
    const empty = ["character", "background"].map($).find((control) => !control.value.trim());
    if (empty) return refuse(empty, "Say who is in it, and where they are.");
    return paintOne(form.sceneRequest());
  }
  let pairs;
  try {
    pairs = form.storyboard();
  } catch (error) {
    return refuse($("storyboard"), error.message);
  }
  const requests = pairs.map(({ character, background }) => form.sceneRequest(character, background));
  return work((signal) => paintStoryboard(requests, signal, open));
}

function refuse(control, message) {
  control.setAttribute("aria-invalid", "true");
  control.focus();
  stage.fault({ code: "invalid_request", message });
}

async function stop() {
  await cancelJob();
  working?.abort();
}

function busy(yes) {
  $("paint").textContent = yes ? "Painting…" : "Paint";
  $("paint").disabled = yes;
  $("stop").hidden = !yes;
}

async function copy(words, said) {
  try {
    await navigator.clipboard.writeText(words);
  } catch {
    const area = Object.assign(document.createElement("textarea"), { value: words });
    document.body.append(area);
    area.select();
    document.execCommand("copy");  // Without TLS there is no clipboard but this.
    area.remove();
  }
  stage.say(said);
}

async function greet() {
  for (;;) {
    const reason = await service.unready();
    if (!reason) break;
    $("service").textContent = `Not ready: ${reason}`;
    await new Promise((resolve) => setTimeout(resolve, 2000));
  }
  const names = await service.models().then((cards) => cards.filter((card) => card.serving.length).map((card) => card.id)).catch(() => []);
  $("service").textContent = ["Ready", ...new Set(names)].join(" · ");
}

async function resume() {
  const board = await store.lastBoard().catch(() => undefined);
  if (!board) return;
  await work(async (signal) => {
    try {
      await followBoard(board, signal, open);
    } catch (error) {
      if (!error.absent) throw error;
      await store.forgetBoards();
    }
  });
}

form.build();
form.onMergeChange(mergeSoon);
$("ask").addEventListener("submit", submit);
$("stop").addEventListener("click", stop);
$("key").value = service.key();
$("key").addEventListener("change", () => service.setKey($("key").value));
$("copy-curl").addEventListener("click", () => copy(made.curl(current.scene), "Copied, as a curl command."));
$("copy-seeds").addEventListener("click", () => copy(Object.entries(made.seeds(current.scene)).map((pair) => pair.join("=")).join("; "), "Seeds copied."));
$("keep-seeds").addEventListener("click", () => {
  form.setSeeds(made.seeds(current.scene));
  stage.say("These seeds are now in the form.");
});
document.addEventListener("keydown", (event) => {
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey) && !working) submit(event);
  if (event.key === "Escape" && working) stop();
});
greet();
fillShelf(open).then(resume);
