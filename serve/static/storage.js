// Keep the key and the form in this browser: not where it is set to keep nothing.

const safely = (run) => {
  try {
    return run();
  } catch {
    return null;  // With all cookies blocked, even a look at the storage is an error.
  }
};

// The page's path, "/" or "/paint/": several services may share one host, and with it what a browser keeps.
const PREFIX = new URL(".", document.baseURI).pathname;
export const named = (name) => `${name}${PREFIX === "/" ? "" : PREFIX}`;

let unsaved = "";
const KEY = named("scenewright-key");
export const key = () => safely(() => sessionStorage.getItem(KEY)) ?? unsaved;
export function setKey(value) {
  unsaved = value.trim();
  safely(() => sessionStorage.setItem(KEY, unsaved));
}

// A list in a hidden control of the form; what a browser kept may be of another version of this page.
export function listIn(control) {
  const list = safely(() => JSON.parse(control.value));
  return Array.isArray(list) ? list : [];
}

const FORM = named("scenewright-form");
export const savedForm = () => safely(() => JSON.parse(localStorage.getItem(FORM))) ?? {};
export const saveForm = (values) => safely(() => localStorage.setItem(FORM, JSON.stringify(values)));
