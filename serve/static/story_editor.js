// Edit a painted story page by page: text, position, picture. Every change can be undone.
import * as pages from "./story_pages.js";
import * as repaintDialog from "./repaint_dialog.js";
import * as result from "./result.js";
import * as stories from "./story_service.js";
import * as store from "./scene_store.js";
import * as undoList from "./undo_list.js";
import * as viewer from "./viewer.js";
import { keepRecord } from "./story_painting.js";

const $ = (id) => document.getElementById(id);
let record = null;  // the story shown, if the service has it as a story
let title = "";
let order = [];
let turn = Promise.resolve();  // Fast key presses move pages one after the other.
let run = () => {};
let follow = () => {};

// `onRun(task, retry)` runs a task that paints, `onFollow(record, signal)` follows a story until its pages have ended.
export function build(onRun, onFollow) {
  run = onRun;
  follow = onFollow;
  undoList.build();
  const moved = { earlier: (index) => move(index, -1), later: (index) => move(index, 1), leaveOut };
  const inTurn = ([name, action]) => [name, (index) => (turn = turn.then(() => action(index)))];
  pages.build({ reword, repaint, ...Object.fromEntries(Object.entries(moved).map(inTurn)) });
  $("book-title").addEventListener("change", retitle);
  $("bring-back").addEventListener("click", bringBack);
}

// Starts to edit the story shown, or none if the service does not have it as a story.
export function begin(shown, state) {
  if (record?.id !== shown?.id) undoList.forget();
  record = shown;
  if (record) ({ title, order } = state);
}

export const current = () => record;

// Returns the number of the page that a scene can be put on; 0 if it is already there or belongs to none.
export const placeFor = ({ page, composed }) => (composed && record && page?.id === record.id && order.indexOf(page.index) + 1) || 0;
const on = (index) => ({ id: record.id, index });

// Makes a change. If the service refuses it, reports the error and shows the old value again.
async function attempt(change, words, takeBack, restore) {
  try {
    await change();
    undoList.done(words, takeBack);
  } catch (error) {
    restore();
    viewer.showError(error, { label: "The text" });
  }
}

function reword(index, text, before) {
  const change = async (words) => (await stories.changePage(on(index), { text: words }), pages.reworded(index, words));
  return attempt(() => change(text), `The text of page ${pages.numberOf(index)} was changed.`, () => change(before), () => pages.reworded(index, before));
}

function retitle() {
  const [text, before] = [$("book-title").value.trim(), title];
  const show = (words) => ($("book-title").value = $("book-title").title = title = words);
  const change = async (words) => (await stories.changeStory(record.id, { title: words }), show(words));
  if (!text || text === before) return show(before);
  return attempt(() => change(text), "The title was changed.", () => change(before), () => show(before));
}

async function reorder(wanted) {
  await stories.changeStory(record.id, { order: wanted });
  order = wanted;
  pages.place(order);
}

// Moves a page by one place. The focus stays on its button, or goes to the other one at an end.
async function move(index, by) {
  const [before, wanted] = [order, [...order]];
  const at = order.indexOf(index);
  if (order[at + by] === undefined) return;
  wanted.splice(at, 1);
  wanted.splice(at + by, 0, index);
  await attempt(() => reorder(wanted), `Page ${at + 1} is now page ${at + by + 1}.`, () => reorder(before), () => {});
  const [first, other] = by < 0 ? [".earlier", ".later"] : [".later", ".earlier"];
  if (!pages.focusOn(index, first)) pages.focusOn(index, other);
}

async function leaveOut(index) {
  const before = order;
  const words = `Page ${pages.numberOf(index)} is left out of the book.`;
  await attempt(() => reorder(order.filter((each) => each !== index)), words, () => reorder(before), () => {});
  $("story-undo").focus();
}

async function bringBack() {
  const before = order;
  const wanted = [...order, ...record.scenes.map((_, index) => index).filter((index) => !order.includes(index))];
  await attempt(() => reorder(wanted), "All pages are in the book again.", () => reorder(before), () => {});
  pages.focusOn(wanted.at(-1), ".earlier");
}

// Asks what the page should show, then paints it again.
async function repaint(index) {
  const request = record.scenes[index];
  const scene = await store.sceneOf(`${record.id}-${index}`).catch(() => undefined);
  const used = scene && result.reproducible(scene);
  repaintDialog.open({ number: pages.numberOf(index), request, used, seed: record.seed, onPaint: (wanted, change) => paint(index, wanted, change, used) });
}

// Puts a scene that was changed in the viewer on its page.
export const put = (scene) => {
  const { index } = scene.page;
  const request = result.reproducible(scene);
  return paint(index, scene.request, stories.pageOf(request), request);
};

async function paint(index, request, change, used) {
  const before = record.scenes[index];
  const sent = await send(index, request, change).then(() => true, () => false);  // The viewer shows the error.
  if (!sent) return;
  const back = used && (() => send(index, before, stories.pageOf(used)));
  if (back) undoList.done(`Page ${pages.numberOf(index)} was painted again.`, back);
}

// Resolves once the service has accepted the change; the picture follows.
function send(index, request, change) {
  const mine = record;
  return new Promise((resolve, reject) => {
    run(async (signal) => {
      await stories.repaintPage(on(index), change, signal).catch((error) => {
        reject(error);
        throw error;
      });
      mine.pending = { ...mine.pending, [index]: request };
      await keepRecord(mine);
      pages.waiting(index);
      viewer.announce(`Painting page ${pages.numberOf(index)} again…`);
      resolve();
      await follow(mine, signal);
    }, () => send(index, request, change).catch(() => {}));
  });
}
