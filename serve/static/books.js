// Download a story's book from the service.
import * as editor from "./story_editor.js";
import * as pages from "./story_pages.js";
import * as stories from "./story_service.js";
import * as viewer from "./viewer.js";

const $ = (id) => document.getElementById(id);
const KEPT_MS = 60_000;  // By then the browser has started the download.

export function build() {
  for (const button of $("books").querySelectorAll("[data-kind]")) button.addEventListener("click", () => download(button));
}

async function download(button) {
  const { id } = editor.current();
  const { kind } = button.dataset;
  const missing = pages.unpainted();
  if (missing) return viewer.showError({ code: "no_book", message: missing });
  const words = button.textContent;
  button.disabled = true;
  button.textContent = `Making the ${words}…`;
  viewer.announce(`Making the ${words}…`);
  try {
    save(await stories.book(id, kind), `${fileName($("book-title").value)}.${kind}`);
    viewer.clearError();
    viewer.announce(`The ${words} is ready.`);
  } catch (error) {
    viewer.announce("");
    viewer.showError(error, { retry: error.passing ? () => download(button) : null });
  } finally {
    button.disabled = false;
    button.textContent = words;
    button.focus({ preventScroll: true });
  }
}

// Turns a title into a file name that is valid on any system.
const fileName = (title) => title.replace(/[\p{C}<>:"/\\|?*.]+/gu, " ").replace(/\s+/g, " ").trim().slice(0, 80) || "book";

function save(blob, name) {
  const link = Object.assign(document.createElement("a"), { href: URL.createObjectURL(blob), download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), KEPT_MS);
}
