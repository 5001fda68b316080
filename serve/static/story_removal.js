// Remove a story after confirmation. This can be undone until the page is closed; then the service removes it too.
import * as editor from "./story_editor.js";
import * as pages from "./story_pages.js";
import * as stories from "./story_service.js";
import * as store from "./scene_store.js";
import * as undoList from "./undo_list.js";

const $ = (id) => document.getElementById(id);
const removed = new Set();

// `onPutBack(record)` shows a story again.
export function build(onPutBack) {
  $("remove-story").addEventListener("click", () => {
    const number = editor.current().scenes.length;
    $("remove-story-pages").textContent = number === 1 ? "its page" : `its ${number} pages`;
    $("remove-story-dialog").showModal();
  });
  $("remove-story-cancel").addEventListener("click", () => $("remove-story-dialog").close());
  $("remove-story-confirm").addEventListener("click", () => remove(onPutBack));
  window.addEventListener("pagehide", () => removed.forEach((id) => stories.removeStory(id).catch(() => {})));
}

async function remove(onPutBack) {
  const record = editor.current();
  $("remove-story-dialog").close();
  await store.forgetStories().catch(() => {});
  removed.add(record.id);
  editor.begin(null);
  pages.hide();
  undoList.done(`“${$("book-title").value}” and all its pages were removed.`, async () => {
    removed.delete(record.id);
    await store.keepStory(record).catch(() => {});
    onPutBack(record);
  });
  $("story-undo").focus();
}
