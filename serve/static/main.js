// Connect the form, the viewer, the story and the service.
import * as cast from "./cast.js";
import * as books from "./books.js";
import * as form from "./form.js";
import * as fieldErrors from "./field_errors.js";
import * as result from "./result.js";
import * as placement from "./figure_placement.js";
import * as viewer from "./viewer.js";
import * as status from "./status.js";
import * as store from "./scene_store.js";
import * as storyEditor from "./story_editor.js";
import * as storyPages from "./story_pages.js";
import * as storyPainting from "./story_painting.js";
import * as storyRemoval from "./story_removal.js";
import * as repaintDialog from "./repaint_dialog.js";
import * as inputPictures from "./input_pictures.js";
import * as poseEditor from "./pose_editor.js";
import * as varyDialog from "./vary_dialog.js";
import { placed } from "./figures.js";
import { sentence, sentencesOf } from "./error_messages.js";
import { copy } from "./clipboard.js";
import { kind } from "./controls.js";
import { applyLimits } from "./field_limits.js";
import { api } from "./service.js";
import { fillGallery } from "./gallery.js";
import { keep, mergeLayersOf, paintScene, usualBox } from "./painting.js";
import { updateHints, watchWords } from "./known_words.js";
import { onModelChange } from "./models.js";
import { layerOf, repaint } from "./repainting.js";
import { upload } from "./uploads.js";
import { key, setKey } from "./storage.js";

const $ = (id) => document.getElementById(id);
const MERGE_DELAY_MS = 200;
let current = null;  // { scene, layers } in the viewer
let working = null;  // the AbortController of the task that paints
let inViewer = false;  // whether that task paints in the viewer
let showing = false;  // whether the viewer shows a story's pages as they finish
let opened = null;  // the scene that the user opened last
let merging = null;
let mergeTimer = 0;

async function run(task, retry) {
  working?.abort();
  merging?.abort();
  working = new AbortController();
  const mine = working;
  const focused = document.activeElement;
  busy(true);
  viewer.clearError();
  try {
    await task(mine.signal);
  } catch (error) {
    if (mine === working) reportError(error, retry);
  } finally {
    if (mine === working) {
      working = null;
      inViewer = false;
      busy(false);
      focusAgain(focused);
      await fillGallery(open);
    }
  }
}

// A button that was disabled or redrawn during the task has lost the focus.
function focusAgain({ id, ariaLabel }) {
  if (document.activeElement !== document.body) return;
  const same = id ? $(id) : ariaLabel && document.querySelector(`#layers [aria-label="${CSS.escape(ariaLabel)}"]`);
  same?.focus({ preventScroll: true });
}

function reportError(error, retry) {
  if (error.name === "AbortError") {
    viewer.stopped("Stopped.", current?.scene);
    return;
  }
  viewer.stopped("", null);
  const named = error.status === 401 || error.status === 403 ? $("key") : fieldErrors.controlOf(error.param);
  const control = named?.closest("[hidden]") ? null : named;
  const label = control && fieldErrors.labelOf(control);
  viewer.showError(error, { label, retry: control ? null : retry });
  if (control) fieldErrors.mark(control, sentencesOf(error, label));
}

const paintOne = (request, ...kept) => run((signal) => paintInViewer(request, signal, ...kept), () => paintOne(request, ...kept));

// `page` is the story page that the scene can be put on.
async function paintInViewer(request, signal, requested, mode, page) {
  inViewer = true;
  opened = null;
  $("composition").disabled = false;
  const { scene, layers } = await paintScene(request, signal, requested, mode);
  if (page) await keep(Object.assign(scene, { page, composed: true }));
  present({ scene, layers });
  viewer.announce("Done.");
}

// Pages are shown as they finish, until the user opens or composes one.
const ON_STORY = { show: showPage, open, begin: storyEditor.begin };

// Layers and actions are hidden until the user opens a page, since the next page replaces this one.
function showPage(scene, layers) {
  if (!showing) return;
  present({ scene, layers });
  $("result").hidden = true;
}

function paintAll(story) {
  showing = true;
  return run((signal) => storyPainting.paintStory(story, signal, ON_STORY), () => paintAll(story));
}

function followStory(record, signal) {
  showing = true;
  return storyPainting.followStory(record, signal, ON_STORY);
}

function present(shown) {
  clearTimeout(mergeTimer);
  merging?.abort();
  current = shown;
  viewer.reveal(shown.scene);
  result.showResult(shown.scene, shown.layers, ACTIONS);
  placement.update(shown.scene, shown.layers);
  allowRepainting();
  offerPlace();
  $("composition-hint").textContent = shown.layers ? "Changes show at once, without painting again." : "Changes apply when you paint: this browser does not have the layers of this scene.";
  return limitScale(shown);
}

async function limitScale({ scene, layers }) {
  let largest = result.largestScale(scene);
  if (!largest && layers) {
    const merge = await usualBox(scene, layers).catch(() => null);
    largest = merge && result.largestScale({ request: { merge: { ...scene.request.merge, scale: 1 } }, answer: { merge } });
  }
  if (current?.scene === scene) form.limitScale(largest || 1);
}

// Until the scene and its layers are here, its composition cannot be changed: the form still shows another scene's.
async function open(chosen) {
  showing = false;
  opened = chosen;
  $("composition").disabled = true;
  const scene = (await store.sceneOf(chosen.id).catch(() => undefined)) ?? chosen;
  const layers = (await store.layersOf(scene.id).catch(() => undefined)) ?? (await storyPainting.layersFromService(scene));
  if (opened !== chosen) return;  // The user opened another scene meanwhile.
  $("composition").disabled = false;
  form.fill(scene.request);
  updateHints();
  viewer.clearError();
  present({ scene, layers });
  if (working) return;
  viewer.announce("");
  $("viewer").scrollIntoView({ block: "nearest" });
}

// All but `keep` paint one layer again and leave the others exactly as they are.
const ACTIONS = {
  again: (target) => paintLayer(target),
  vary: (target) => edit(target, false),
  part: (target) => edit(target, true),
  keep: ({ layer, index }) => cast.offerKeeping({ fields: layerOf(current.scene.request, layer, index), picture: result.paintedOf(current.layers, { layer, index }), seed: result.figureSeeds(current.scene)[index] }),
};

function paintLayer(target, change) {
  const { sent, kept, mode } = repaint(current.scene, form.merging(), target, change);
  return paintOne(sent, kept, mode, current.scene.page);
}

// Asks how, then paints the layer from its own picture: all of it, or only a part.
function edit(target, part) {
  const { scene, layers } = current;
  const onPaint = ({ prompt, strength, picture, mask }) =>
    run(async (signal) => {
      viewer.announce("Uploading the picture…");
      const [image, covered] = await Promise.all([picture, mask].map((blob) => blob && upload(blob, signal)));
      const change = { prompt, strength, image: { id: image.id }, mask: covered ? { id: covered.id } : undefined };
      const { sent, kept, mode } = repaint(scene, form.merging(), target, change);
      await paintInViewer(sent, signal, kept, mode, scene.page);
    }, () => onPaint({ prompt, strength, picture, mask }));
  return varyDialog
    .open({ name: result.spokenName(target), picture: result.paintedOf(layers, target), prompt: layerOf(scene.request, target.layer, target.index).prompt, limit: $(target.layer).maxLength, part, onPaint })
    .catch((error) => reportError(error));
}

// A story page that was changed here can be put back into the book.
function offerPlace() {
  const place = current ? storyEditor.placeFor(current.scene) : 0;
  $("put-on-page").hidden = !place;
  $("put-on-page").textContent = `Put on page ${place}`;
}

// Painting a layer again would stop a painting under way.
const allowRepainting = () => document.querySelectorAll("#layers button").forEach((button) => (button.disabled = Boolean(working)));

function mergeSoon() {
  clearTimeout(mergeTimer);
  showing = false;
  if (current?.layers && !inViewer) mergeTimer = setTimeout(mergeNow, MERGE_DELAY_MS);
}

async function mergeNow() {
  merging?.abort();
  merging = new AbortController();
  const mine = merging;
  const { scene: before, layers } = current;
  viewer.merging(true);
  try {
    const scene = await mergeLayersOf(before, layers, form.merging(), mine.signal);
    if (current.scene !== before) return;
    storyPages.refresh(scene);
    present({ scene, layers });
    viewer.announce("Composition updated.");
    await fillGallery(open);
  } catch (error) {
    if (error.name === "AbortError") return;
    if (error.absent) $("composition-hint").textContent = "This service cannot compose painted layers: changes apply when you paint.";
    else reportError(error, mergeNow);
  } finally {
    if (mine === merging) viewer.merging(false);
  }
}

function submit(event) {
  event?.preventDefault();
  if (kind() === "scene") {
    const empty = ["character", "background"].map($).find((control) => !control.value.trim());
    const fields = [$("character"), ...document.querySelectorAll("#figures textarea")];
    const unknown = fields.find((control) => cast.stranger(control.value));
    if (unknown) return refuse(unknown, `There is nobody named ${cast.stranger(unknown.value)} in the cast.`);
    if (empty) return refuse(empty, empty.id === "character" ? "Say who is in the scene." : "Say where they are.");
    return paintOne(form.sceneRequest());
  }
  let story;
  try {
    story = form.story();
  } catch (error) {
    return refuse($("storyboard"), sentence(error.message));
  }
  const page = story.requests.findIndex(({ character }) => cast.stranger(cast.written(character)));
  if (page >= 0) return refuse($("storyboard"), `Page ${page + 1} names ${story.requests[page].character.cast}, who is not in the cast.`);
  return paintAll(story);
}

function refuse(control, message) {
  viewer.showError({ code: "invalid_request", message });
  fieldErrors.mark(control, message);
}

async function stop() {
  await storyPainting.cancel();
  working?.abort();
}

function busy(yes) {
  $("paint").textContent = yes ? "Painting…" : "Paint";
  $("paint").disabled = yes;
  $("stop").hidden = !yes;
  $("remove-story").disabled = yes;
  allowRepainting();
}

async function resume() {
  const last = await store.lastStory().catch(() => undefined);
  if (!last || working) return;
  await run(async (signal) => {
    try {
      await storyPainting.followStory(last, signal, { ...ON_STORY, show: () => {} });
    } catch (error) {
      // The story is another tenant's, or no key is entered yet. It is looked up again when a key is entered.
      if ([401, 403].includes(error.status)) return;
      if (!error.absent) throw error;
      if (!key()) await store.forgetStories();
    }
  });
}

// Formats the seeds like the X-Seed header.
function seedWords(scene) {
  const { character, background } = result.seeds(scene);
  const others = result.otherSeeds(scene);
  return others.length ? `characters=${[character, ...others].join(",")}; background=${background}` : `character=${character}; background=${background}`;
}

inputPictures.build((layer, error) => refuse($(`${layer}-add-picture`), sentence(error.message)));
poseEditor.build();
varyDialog.build();
form.build();
cast.build();
repaintDialog.build();
books.build();
storyEditor.build(run, followStory);
storyRemoval.build((record) => run((signal) => followStory(record, signal)));
for (const onChange of [onModelChange, cast.onCastChange]) onChange(() => current && (result.showResult(current.scene, current.layers, ACTIONS), allowRepainting()));
cast.onCastChange(updateHints);
api().then((described) => (applyLimits(described), cast.learnFields(described))).catch(() => {});  // Without the limits, the service itself refuses values that are too large.
form.onMergeChange(mergeSoon);
placement.build((index, change) => {
  if (!current?.layers) return;
  current = { ...current, scene: placed(current.scene, index, change) };
  mergeSoon();
});
watchWords();
$("scene-form").addEventListener("submit", submit);
$("stop").addEventListener("click", stop);
$("key").value = key();
$("key").addEventListener("change", () => {
  setKey($("key").value);
  status.soon();
  resume();
});
$("copy-curl").addEventListener("click", () => copy(result.curl(current.scene), result.copied(current.scene)));
$("put-on-page").addEventListener("click", () => storyEditor.put(current.scene));
$("copy-seeds").addEventListener("click", () => copy(seedWords(current.scene), "Seeds copied."));
$("keep-seeds").addEventListener("click", () => {
  form.setSeeds(result.seeds(current.scene));
  viewer.announce("These seeds are now in the form.");
});
document.addEventListener("keydown", (event) => {
  if (document.querySelector("dialog[open]")) return;
  const editing = event.target.closest?.("#story-pages");  // There the keys edit a page's text, and must not submit the form.
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey) && !working && !editing) submit(event);
  if (event.key === "Escape" && working) stop();
});
$("clear-cancel").addEventListener("click", () => $("clear-dialog").close());
status.watch();
fillGallery(open).then(resume);
