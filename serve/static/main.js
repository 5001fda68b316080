// What the page does, and when.
import * as board from "./board.js";
import * as form from "./form.js";
import * as marks from "./marks.js";
import * as made from "./made.js";
import * as placing from "./placing.js";
import * as stage from "./stage.js";
import * as status from "./status.js";
import * as store from "./shelf_store.js";
import * as strip from "./strip.js";
import { placed } from "./cast.js";
import { sentence, sentencesOf } from "./faults.js";
import { copy } from "./clipboard.js";
import { kind } from "./controls.js";
import { layLimits } from "./limits.js";
import { api } from "./service.js";
import { fillShelf } from "./shelf.js";
import { mergeAgain, paintScene, usualBox } from "./painting.js";
import { tellAll, watchWords } from "./known.js";
import { key, setKey } from "./storage.js";

const $ = (id) => document.getElementById(id);
const MERGE_DELAY_MS = 200;
let current = null;  // { scene, layers } on the stage
let working = null;  // the AbortController of what is being painted
let onStage = false;  // whether that is painted on the stage
let showing = false;  // whether a storyboard shows its scenes as they are done
let merging = null;
let mergeTimer = 0;

async function work(task, again) {
  working?.abort();
  merging?.abort();
  working = new AbortController();
  const mine = working;
  busy(true);
  stage.clearFault();
  try {
    await task(mine.signal);
  } catch (error) {
    if (mine === working) tellFault(error, again);
  } finally {
    if (mine === working) {
      working = null;
      onStage = false;
      busy(false);
      await fillShelf(open);
    }
  }
}

function tellFault(error, again) {
  if (error.name === "AbortError") {
    stage.stopped("Stopped.", current?.scene);
    return;
  }
  stage.stopped("", null);
  const control = error.status === 401 || error.status === 403 ? $("key") : marks.controlOf(error.param);
  const label = control && marks.labelOf(control);
  stage.fault(error, { label, again: control ? null : again });
  if (control) marks.mark(control, sentencesOf(error, label));
}

function paintOne(request, ...kept) {
  const task = async (signal) => {
    onStage = true;
    present(await paintScene(request, signal, ...kept));
    stage.say("Done.");
  };
  return work(task, () => paintOne(request, ...kept));
}

// Its scenes are shown as they are done, until one of them is chosen or composed.
function paintAll(story) {
  showing = true;
  const show = (scene, layers) => showing && present({ scene, layers });
  return work((signal) => board.paintStoryboard(story, signal, show, open), () => paintAll(story));
}

function present(shown) {
  clearTimeout(mergeTimer);
  merging?.abort();
  current = shown;
  stage.reveal(shown.scene);
  made.tell(shown.scene, shown.layers, again);
  placing.tell(shown.scene, shown.layers);
  allowAgain();
  $("composition-hint").textContent = shown.layers ? "Changes show at once, without painting again." : "Changes count when you paint: the layers of this scene are not kept here.";
  return limitScale(shown);
}

async function limitScale({ scene, layers }) {
  let largest = made.largestScale(scene);
  if (!largest && layers) {
    const merge = await usualBox(scene, layers).catch(() => null);
    largest = merge && made.largestScale({ request: { merge: { ...scene.request.merge, scale: 1 } }, answer: { merge } });
  }
  if (current?.scene === scene) form.limitScale(largest || 1);
}

async function open(chosen) {
  showing = false;
  const scene = (await store.sceneOf(chosen.id).catch(() => undefined)) ?? chosen;
  const layers = (await store.layersOf(scene.id).catch(() => undefined)) ?? (await board.layersFromJob(scene));
  form.fill(scene.request);
  tellAll();
  stage.clearFault();
  present({ scene, layers });
  if (working) return;
  stage.say("");
  $("stage").scrollIntoView({ block: "nearest" });
}

// One layer with a new seed, the other exactly as it is.
function again(layer) {
  const { scene } = current;
  const merging = form.merging();
  const { enhance, ...before } = scene.request;
  const anew = { ...before[layer], seed: Math.floor(Math.random() * 2 ** 32) };
  const request = { ...made.reproducible(scene), ...merging, layers: true, [layer]: anew };
  if (!merging.enhance) delete request.enhance;
  const asked = { ...before, ...merging, ...Object.fromEntries(Object.entries(made.seeds(scene)).map(([name, seed]) => [name, { ...before[name], seed }])), [layer]: anew };
  return paintOne(request, asked, layer === "character" ? merging.merge.mode : scene.painted?.mode ?? merging.merge.mode);
}

// While something is painted, painting again would stop that.
const allowAgain = () => document.querySelectorAll("#layers button").forEach((button) => (button.disabled = Boolean(working)));

function mergeSoon() {
  clearTimeout(mergeTimer);
  showing = false;
  if (current?.layers && !onStage) mergeTimer = setTimeout(mergeNow, MERGE_DELAY_MS);
}

async function mergeNow() {
  merging?.abort();
  merging = new AbortController();
  const mine = merging;
  const { scene: before, layers } = current;
  stage.merging(true);
  try {
    const scene = await mergeAgain(before, layers, form.merging(), mine.signal);
    if (current.scene !== before) return;
    strip.refresh(scene);
    present({ scene, layers });
    stage.say("Composition updated.");
    await fillShelf(open);
  } catch (error) {
    if (error.name === "AbortError") return;
    if (error.absent) $("composition-hint").textContent = "This service cannot compose kept layers: changes count when you paint.";
    else tellFault(error, mergeNow);
  } finally {
    if (mine === merging) stage.merging(false);
  }
}

function submit(event) {
  event?.preventDefault();
  if (kind() === "scene") {
    const empty = ["character", "background"].map($).find((control) => !control.value.trim());
    if (empty) return refuse(empty, empty.id === "character" ? "Say who is in the scene." : "Say where they are.");
    return paintOne(form.sceneRequest());
  }
  let story;
  try {
    story = form.storyboard();
  } catch (error) {
    return refuse($("storyboard"), sentence(error.message));
  }
  return paintAll(story);
}

function refuse(control, message) {
  stage.fault({ code: "invalid_request", message });
  marks.mark(control, message);
}

async function stop() {
  await board.cancelJob();
  working?.abort();
}

function busy(yes) {
  $("paint").textContent = yes ? "Painting…" : "Paint";
  $("paint").disabled = yes;
  $("stop").hidden = !yes;
  allowAgain();
}

async function resume() {
  const last = await store.lastBoard().catch(() => undefined);
  if (!last || working) return;
  await work(async (signal) => {
    try {
      await board.followBoard(last, signal, () => {}, open);
    } catch (error) {
      // With another key, or none yet, it is somebody else's. It is looked for again when a key is given.
      if ([401, 403].includes(error.status)) return;
      if (!error.absent) throw error;
      if (!key()) await store.forgetBoards();
    }
  });
}

// As the X-Seed header has them.
function seedWords(scene) {
  const { character, background } = made.seeds(scene);
  const others = made.otherSeeds(scene);
  return others.length ? `characters=${[character, ...others].join(",")}; background=${background}` : `character=${character}; background=${background}`;
}

form.build();
api().then(layLimits).catch(() => {});  // Without them the service refuses what is too much.
form.onMergeChange(mergeSoon);
placing.build((index, change) => {
  if (!current?.layers) return;
  current = { ...current, scene: placed(current.scene, index, change) };
  mergeSoon();
});
watchWords();
$("ask").addEventListener("submit", submit);
$("stop").addEventListener("click", stop);
$("key").value = key();
$("key").addEventListener("change", () => {
  setKey($("key").value);
  status.soon();
  resume();
});
$("copy-curl").addEventListener("click", () => copy(made.curl(current.scene), "Copied, as a curl command."));
$("copy-seeds").addEventListener("click", () => copy(seedWords(current.scene), "Seeds copied."));
$("keep-seeds").addEventListener("click", () => {
  form.setSeeds(made.seeds(current.scene));
  stage.say("These seeds are now in the form.");
});
document.addEventListener("keydown", (event) => {
  if ($("clear-dialog").open) return;
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey) && !working) submit(event);
  if (event.key === "Escape" && working) stop();
});
$("clear-cancel").addEventListener("click", () => $("clear-dialog").close());
status.watch();
fillShelf(open).then(resume);
