// Show a story's pages, each with its picture, the text below it, and its actions.
import { button } from "./controls.js";
import { sentence } from "./error_messages.js";
import { show } from "./pictures.js";

const $ = (id) => document.getElementById(id);
const make = (name, properties) => Object.assign(document.createElement(name), properties);
let cards = [];  // by the pages' indices, which do not depend on their order
let shown = null;  // the id of the story that is laid out, if it can be edited
let actions = {};

// `onAction` has functions of a page's index: `repaint`, `earlier`, `later`, `leaveOut`; `reword` also gets the new
// text and the one before.
export const build = (onAction) => (actions = onAction);

// Lays out pages that cannot be edited. `words` are their texts; a page without one shows its description.
export function layOut(requests, words = []) {
  shown = null;
  clear(requests);
  cards = requests.map(({ character, background }, index) => {
    const card = picture();
    card.append(make("p", { className: "page-text", textContent: words[index] || `${character.prompt}, ${background.prompt}` }));
    return card;
  });
  $("book-title").hidden = $("books").hidden = true;
  place(cards.map((_, index) => index));
}

// Lays out a story of the service, whose texts and order can be edited. If it is laid out already, its cards stay.
export function layOutStory({ id, scenes }, { title, pages, order }) {
  if (shown !== id) {
    clear(scenes);
    cards = pages.map(editable);
    shown = id;
  }
  $("book-title").hidden = $("books").hidden = false;
  $("book-title").value = $("book-title").title = first(title);
  $("book-title").readOnly = typeof title !== "string";
  for (const { index, status } of pages) if (status === "queued" || status === "running") waiting(index);
  place(order);
}

function clear(requests) {
  hide();
  $("story-pages").hidden = false;
  const { width, height } = requests[0].merge;
  $("pages").style.setProperty("--frame", `${width} / ${height}`);
  progress(0);
}

export function hide() {
  for (const img of $("pages").querySelectorAll("img")) show(img, null);
  cards = [];
  shown = null;
  $("pages").replaceChildren();
  $("story-pages").hidden = true;
}

// Puts the pages in the book's order. Those that are left out are not shown.
export function place(order) {
  const focused = document.activeElement;
  $("pages").replaceChildren(...order.map((index) => cards[index]));
  if (focused?.isConnected && $("pages").contains(focused)) focused.focus();
  order.forEach((index, place) => number(cards[index], place + 1, order.length));
  $("bring-back").hidden = order.length === cards.length;
}

// Every accessible name includes the page's number in the book.
function number(card, at, of) {
  card.dataset.number = at;
  card.querySelector(".page-actions")?.setAttribute("data-at", at);
  const named = { ".page-words": `Text of page ${at}`, ".earlier": `Move page ${at} earlier`, ".later": `Move page ${at} later`, ".repaint-page": `Paint page ${at} again`, ".leave-out": `Leave out page ${at}` };
  for (const [selector, label] of Object.entries(named)) card.querySelector(selector)?.setAttribute("aria-label", label);
  const img = card.querySelector("img");
  if (img) img.alt = `Open page ${at}`;
  for (const [selector, last] of [[".earlier", at === 1], [".later", at === of], [".leave-out", of === 1]]) {
    const control = card.querySelector(selector);
    if (control) control.disabled = last;
  }
}

function picture() {
  const card = make("li", { className: "story-page" });
  card.append(make("button", { type: "button", className: "picture", disabled: true, textContent: "waiting" }));
  return card;
}

// A text in several languages, written by another program, is shown in one of them and cannot be edited.
const first = (text) => (typeof text === "string" ? text : Object.values(text)[0] ?? "");

function editable({ text, index }) {
  const card = picture();
  const words = make("textarea", { className: "page-text page-words", rows: 2, value: first(text), placeholder: "No text", readOnly: typeof text !== "string" });
  let before = words.value;
  words.addEventListener("change", () => {
    actions.reword(index, words.value, before);
    before = words.value;
  });
  const row = make("div", { className: "page-actions" });
  const offer = (name, content, action) => row.append(button(content, () => action(index), { className: `secondary ${name}` }));
  offer("earlier", "◂", actions.earlier);
  offer("later", "▸", actions.later);
  offer("repaint-page", "Paint again", actions.repaint);
  offer("leave-out", "Leave out", actions.leaveOut);
  card.append(words, make("p", { className: "page-note", hidden: true }), row);
  return card;
}

export const reworded = (index, text) => (cards[index].querySelector(".page-words").value = text);
export const numberOf = (index) => Number(cards[index].dataset.number);

// Focuses a page's control. Returns whether the page has it and it is enabled.
export function focusOn(index, selector) {
  const control = cards[index].querySelector(`${selector}:enabled`);
  control?.focus();
  return Boolean(control);
}

export const painting = (index) => (pictureOf(index).textContent = "painting…");

export function waiting(index) {
  cards[index].classList.remove("failed");
  if (hasPicture(cards[index])) {
    cards[index].classList.add("again");
    return note(index, "It is being painted again.");
  }
  pictureOf(index).replaceChildren("waiting");
  pictureOf(index).disabled = true;
  note(index, "");
}

export function done(index, scene, open) {
  const place = pictureOf(index);
  const img = make("img", { alt: `Open page ${cards[index].dataset.number}` });
  show(img, scene.image);
  cards[index].classList.remove("failed", "again");
  place.dataset.scene = scene.id;
  place.replaceChildren(img);
  place.disabled = false;
  place.onclick = () => open(scene);
  note(index, scene.composed ? "The book still has the earlier picture." : "");
}

// Shows a scene that was composed differently; the book gets it once it is put there.
export function refresh(scene) {
  const place = $("pages").querySelector(`[data-scene="${CSS.escape(scene.id)}"]`);
  if (!place) return;
  show(place.querySelector("img"), scene.image);
  if (scene.page && scene.composed) note(scene.page.index, "The book still has the earlier picture.");
}

function note(index, words) {
  const place = cards[index].querySelector(".page-note");
  if (place) Object.assign(place, { textContent: words, hidden: !words });
}

// A page that was painted before keeps its picture.
export function failed(index, message) {
  cards[index].classList.remove("again");
  if (hasPicture(cards[index])) return note(index, sentence(`it could not be painted again: ${message}`));
  cards[index].classList.add("failed");
  pictureOf(index).replaceChildren(make("span", { className: "why", textContent: sentence(message) }));
}

// Returns why there is no book yet, for the first page without a picture; empty if all have one.
export function unpainted() {
  const card = [...$("pages").children].find((each) => !hasPicture(each) || each.classList.contains("again"));
  if (!card) return "";
  const { number } = card.dataset;
  return card.classList.contains("failed") ? `Page ${number} could not be painted: paint it again, or leave it out.` : `Page ${number} is not painted yet.`;
}

const hasPicture = (card) => Boolean(card.querySelector(".picture img"));
const pictureOf = (index) => cards[index].querySelector(".picture");

// `share` is the painted share of the story, 0 to 1.
export function progress(share) {
  $("story-progress").value = share;
  $("story-progress").hidden = share === 1;
}
