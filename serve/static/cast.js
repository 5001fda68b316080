// Show the cast and insert its names into the fields: `@mira waves` paints Mira. The service keeps a cast per tenant.
import * as service from "./service.js";
import { button, kind } from "./controls.js";
import { announce } from "./viewer.js";
import { sentence } from "./error_messages.js";
import { show } from "./pictures.js";
import { fileOf, upload } from "./uploads.js";

const $ = (id) => document.getElementById(id);
const NAME = /^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$/;
const NAMED = /^\s*@([A-Za-z0-9][A-Za-z0-9_.-]{0,63})(?:[\s,]+|$)/;
const IDLE = "standing";  // the prompt of a text that is only a name
const listeners = [];
let members = null;  // null if the service has no cast, or refuses to show it
let takesLoras = false;
let field = null;  // the figure's field that last had the focus
let keeping = null;  // { fields, picture, seed } of the figure being kept

// `listener()` is called whenever the cast is loaded.
export const onCastChange = (listener) => listeners.push(listener);
export const hasCast = () => members !== null;

export function build() {
  $("keep-cancel").addEventListener("click", () => $("keep-dialog").close());
  $("keep-form").addEventListener("submit", keep);
  $("scene-form").addEventListener("focusin", ({ target }) => {
    if (target.matches("#character, #figures textarea")) field = target;
  });
}

// Loads the cast. An older service has none, and a key may not be allowed to see it.
export async function load() {
  members = await service.castMembers().catch(() => null);
  update();
}

// Reads from the OpenAPI document whether members can have LoRAs.
export const learnFields = (api) => (takesLoras = Boolean(api.paths[`/${service.CAST}`]?.post.requestBody.content["application/json"].schema.properties.loras));

// Splits a field's text into the cast member it names, if any, and the prompt.
export function read(text) {
  const [start, name] = (hasCast() && NAMED.exec(text)) || [];
  if (!name) return { prompt: text.trim() };
  return { cast: name, prompt: text.slice(start.length).trim() || IDLE };
}

// Returns the words that the models read.
export const wordsOf = (text) => (hasCast() ? text.replace(NAMED, "") : text);

export const written = ({ cast, prompt }) => (cast ? `@${cast} ${prompt}` : prompt);

// Returns the name in a text that is not in the cast, or null.
export function stranger(text) {
  const { cast } = read(text);
  return cast && !members.some(({ name }) => name === cast) ? cast : null;
}

// Asks for a name under which to keep a painted figure.
export function offerKeeping({ fields, picture, seed }) {
  keeping = { fields, picture, seed };
  const before = members.find(({ name }) => name === fields.cast);
  $("keep-name").value = "";
  $("keep-description").value = before?.description || fields.prompt;
  if ($("character").maxLength > 0) $("keep-description").maxLength = $("character").maxLength;
  $("keep-error").textContent = "";
  $("keep-dialog").showModal();
}

async function keep(event) {
  event.preventDefault();
  const [name, description] = [$("keep-name").value.trim(), $("keep-description").value.trim()];
  if (!NAME.test(name)) return refuse("A name must start with a letter or digit and contain only A to Z, digits, _, . and -.");
  const { fields, picture, seed } = keeping;
  $("keep-confirm").disabled = true;
  try {
    const { id } = await upload(picture);
    const loras = takesLoras && fields.loras ? { loras: fields.loras } : {};
    const negative = fields.negative_prompt ? { negative_prompt: fields.negative_prompt } : {};
    await service.addMember({ name, description, references: [{ id }], seed, ...negative, ...loras });
    $("keep-dialog").close();
    await load();
    announce(`${name} is in the cast. Write @${name} in a figure's description, followed by what ${name} does.`);
  } catch (error) {
    refuse(error.message);
  } finally {
    $("keep-confirm").disabled = false;
  }
}

function refuse(message) {
  $("keep-error").textContent = sentence(message);
  $("keep-name").focus();
}

function update() {
  $("cast").hidden = !members?.length;
  for (const img of $("cast-list").querySelectorAll("img")) show(img, null);
  $("cast-list").replaceChildren(...(members ?? []).map(item));
  listeners.forEach((listener) => listener());
}

function item(member) {
  const { name, description, references } = member;
  const entry = document.createElement("li");
  const img = Object.assign(document.createElement("img"), { alt: "", hidden: true });
  if (references.length) fileOf(references[0].id).then((blob) => img.isConnected && show(img, blob));
  const use = button("", () => insert(name), { className: "member", title: description });
  use.append(img, Object.assign(document.createElement("span"), { textContent: name }));
  use.setAttribute("aria-label", `Paint ${name}: ${description}`);
  const removing = button("×", () => remove(member), { className: "remove" });
  removing.setAttribute("aria-label", `Remove ${name} from the cast`);
  entry.append(use, removing);
  return entry;
}

// Inserts a name into the field that last had the focus, or the cursor's line of a story, replacing a name there.
function insert(name) {
  if (kind() === "story") return insertIntoLine($("storyboard"), name);
  const area = field?.isConnected ? field : $("character");
  area.value = `@${name} ${NAMED.test(area.value) ? area.value.replace(NAMED, "") : ""}`;
  area.dispatchEvent(new Event("input", { bubbles: true }));
  area.focus();
  area.setSelectionRange(area.value.length, area.value.length);
}

function insertIntoLine(area, name) {
  const start = area.value.lastIndexOf("\n", area.selectionStart - 1) + 1;
  const [line] = area.value.slice(start).split("\n", 1);
  const [named = ""] = NAMED.exec(line) ?? [];
  area.focus();
  area.setRangeText(`@${name} `, start, start + named.length, "end");
  area.dispatchEvent(new Event("input", { bubbles: true }));
}

async function remove(member) {
  const pictures = await Promise.all(member.references.map(({ id }) => fileOf(id)));
  try {
    await service.removeMember(member.name);
  } catch (error) {
    return announce(sentence(error.message));
  }
  await load();
  $("cast-removed-words").textContent = `Removed ${member.name} from the cast.`;
  $("cast-removed").hidden = false;
  $("cast-undo").onclick = () => putBack(member, pictures);
  $("cast-undo").focus();
}

async function putBack({ name, description, seed, negative_prompt: negative, loras }, pictures) {
  try {
    const references = await Promise.all(pictures.filter(Boolean).map(async (picture) => ({ id: (await upload(picture)).id })));
    await service.addMember({ name, description, references, seed, negative_prompt: negative, ...(takesLoras && { loras }) });
    $("cast-removed").hidden = true;
  } catch (error) {
    announce(sentence(error.message));
  }
  await load();
}
