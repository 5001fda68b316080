// What a browser keeps for this page in small: nothing where it is told to keep nothing.

const safely = (work) => {
  try {
    return work();
  } catch {
    return null;  // With all cookies blocked, even a look at the storage is an error.
  }
};

// Where the page is, "/" or "/paint/": several services may share one host, and with it what a browser keeps.
const PREFIX = new URL(".", document.baseURI).pathname;
export const named = (name) => `${name}${PREFIX === "/" ? "" : PREFIX}`;

let unsaved = "";
const KEY = named("scenewright-key");
export const key = () => safely(() => sessionStorage.getItem(KEY)) ?? unsaved;
export function setKey(value) {
  unsaved = value.trim();
  safely(() => sessionStorage.setItem(KEY, unsaved));
}

const FORM = named("scenewright-form");
export const savedForm = () => safely(() => JSON.parse(localStorage.getItem(FORM))) ?? {};
export const saveForm = (values) => safely(() => localStorage.setItem(FORM, JSON.stringify(values)));
