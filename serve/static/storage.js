// Keep the key and the form in this browser, if it allows storage.

const safely = (run) => {
  try {
    return run();
  } catch {
    return null;  // With all cookies blocked, even reading the storage throws an error.
  }
};

// The page's path, "/" or "/paint/": several services may share one host and its storage.
const PREFIX = new URL(".", document.baseURI).pathname;
export const named = (name) => `${name}${PREFIX === "/" ? "" : PREFIX}`;

let unsaved = "";
const KEY = named("scenewright-key");
export const key = () => safely(() => sessionStorage.getItem(KEY)) ?? unsaved;
export function setKey(value) {
  unsaved = value.trim();
  safely(() => sessionStorage.setItem(KEY, unsaved));
}

// Returns the list in a hidden control; a kept value may be from another version of this page.
export function listIn(control) {
  const list = safely(() => JSON.parse(control.value));
  return Array.isArray(list) ? list : [];
}

const FORM = named("scenewright-form");
export const savedForm = () => safely(() => JSON.parse(localStorage.getItem(FORM))) ?? {};
export const saveForm = (values) => safely(() => localStorage.setItem(FORM, JSON.stringify(values)));
