// Keep this page's work in the browser: scenes with their pictures, their layers apart, uploads, and the last story.
import { named } from "./storage.js";

const NAME = named("scenewright");
// 2: layers are clean; older ones include light and shadow, and are deleted. 3: uploads are kept.
const VERSION = 3;
const STORES = ["scenes", "layers", "boards", "uploads"];
const OF_SCENES = ["scenes", "layers"];
export const MOST = 60;
const MOST_LAYER_BYTES = 150e6;
const MOST_UPLOAD_BYTES = 50e6;
let opened;

function database() {
  opened ??= new Promise((resolve, reject) => {
    const opening = indexedDB.open(NAME, VERSION);
    opening.onupgradeneeded = ({ oldVersion }) => {
      for (const store of STORES) if (!opening.result.objectStoreNames.contains(store)) opening.result.createObjectStore(store, { keyPath: "id" });
      if (oldVersion < 2) opening.transaction.objectStore("layers").clear();
    };
    opening.onsuccess = () => {
      opening.result.onversionchange = () => opening.result.close();
      opening.result.onclose = () => (opened = undefined);
      resolve(opening.result);
    };
    opening.onerror = () => reject(opening.error);
    opening.onblocked = () => reject(new Error("another tab has an older version of this page open"));
  }).catch((error) => {
    opened = undefined;
    throw error;
  });
  return opened;
}

async function within(stores, mode, run) {
  const transaction = (await database()).transaction(stores, mode);
  const request = run(...stores.map((store) => transaction.objectStore(store)));
  await new Promise((resolve, reject) => {
    transaction.oncomplete = resolve;
    transaction.onabort = transaction.onerror = () => reject(transaction.error);
  });
  return request?.result;
}

// Newest first.
export async function scenes() {
  const all = await within(["scenes"], "readonly", (store) => store.getAll());
  return all.sort((a, b) => b.created - a.created);
}

export const sceneOf = (id) => within(["scenes"], "readonly", (store) => store.get(id));
export const layersOf = (id) => within(["layers"], "readonly", (store) => store.get(id));

export async function keep(scene, layers) {
  await within(["scenes", "layers"], "readwrite", (kept, apart) => {
    kept.put(scene);
    if (layers) apart.put({ id: scene.id, ...layers });
  });
  const newest = await scenes();
  for (const old of newest.slice(MOST)) await remove(old.id);
  if (layers) await forgetOldLayers(newest.slice(0, MOST));
}

// Only the newest scenes keep their layers, up to the limit in bytes.
async function forgetOldLayers(newest) {
  const all = new Map((await within(["layers"], "readonly", (store) => store.getAll())).map((layers) => [layers.id, layers]));
  let bytes = 0;
  for (const { id } of newest) {
    bytes += Object.values(all.get(id) ?? {}).reduce((sum, blob) => sum + (blob.size ?? 0), 0);
    if (bytes > MOST_LAYER_BYTES) await within(["layers"], "readwrite", (store) => store.delete(id));
  }
}

// Removes a scene, or everything. Returns a function that puts it back.
export async function remove(id) {
  const taken = {};
  await within(STORES, "readwrite", (...stores) => {
    for (const [index, store] of stores.entries()) {
      if (id && !OF_SCENES.includes(STORES[index])) continue;
      const request = store.getAll(id);
      request.onsuccess = () => (taken[STORES[index]] = request.result);
      if (id) store.delete(id);
      else store.clear();
    }
  });
  return () =>
    within(STORES, "readwrite", (...stores) => {
      for (const [index, store] of stores.entries()) for (const record of taken[STORES[index]] ?? []) store.put(record);
    });
}

export const uploadOf = (id) => within(["uploads"], "readonly", (store) => store.get(id));

// Keeps an upload, and removes the oldest ones over the limit in bytes.
export async function keepUpload(id, blob) {
  await within(["uploads"], "readwrite", (store) => store.put({ id, blob, created: Date.now() }));
  const all = await within(["uploads"], "readonly", (store) => store.getAll());
  let bytes = 0;
  for (const upload of all.sort((one, other) => other.created - one.created)) {
    bytes += upload.blob.size;
    if (bytes > MOST_UPLOAD_BYTES) await within(["uploads"], "readwrite", (store) => store.delete(upload.id));
  }
}

export const keepStory = (story) =>
  within(["boards"], "readwrite", (store) => {
    store.clear();
    store.put(story);
  });

export const forgetStories = () => within(["boards"], "readwrite", (store) => store.clear());

// Returns the story that was last sent to the service, if there was one.
export async function lastStory() {
  return (await within(["boards"], "readonly", (store) => store.getAll()))[0];
}
