// Undo changes to a story, the last one first.
import { sentence } from "./error_messages.js";
import { announce } from "./viewer.js";

const $ = (id) => document.getElementById(id);
const MOST = 50;
let changes = [];

export function build() {
  $("story-undo").addEventListener("click", undo);
}

// `words` say what was done; `takeBack()` undoes it.
export function done(words, takeBack) {
  changes = [...changes, { words, takeBack }].slice(-MOST);
  update();
}

export function forget() {
  changes = [];
  update();
}

async function undo() {
  const change = changes.pop();
  $("story-undo").disabled = true;
  try {
    await change.takeBack();
    announce("Undone.");
  } catch (error) {
    changes.push(change);
    announce(sentence(error.message));
  } finally {
    $("story-undo").disabled = false;
    update();
  }
  if (changes.length) $("story-undo").focus();
  else $("pages").closest("section").querySelector("input, button:enabled, textarea")?.focus();
}

function update() {
  const last = changes.at(-1);
  $("story-changed").hidden = !last;
  $("story-changed-words").textContent = last?.words ?? "";
}
