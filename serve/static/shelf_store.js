// What was made here, in this browser: scenes with their pictures, their layers apart, storyboards of jobs.
import { named } from "./storage.js";

const NAME = named("scenewright");
// 2: layers are clean. Those kept before have light and shadow in them, and are left out.
const VERSION = 2;
const STORES = ["scenes", "layers", "boards"];
export const MOST = 60;
const MOST_LAYER_BYTES = 150e6;
let opened;

function database() {
  opened ??= new Promise((resolve, reject) => {
    const asking = indexedDB.open(NAME, VERSION);
    asking.onupgradeneeded = () => {
      for (const store of STORES) if (!asking.result.objectStoreNames.contains(store)) asking.result.createObjectStore(store, { keyPath: "id" });
      asking.transaction.objectStore("layers").clear();
    };
    asking.onsuccess = () => {
      asking.result.onversionchange = () => asking.result.close();
      asking.result.onclose = () => (opened = undefined);
      resolve(asking.result);
    };
    asking.onerror = () => reject(asking.error);
    asking.onblocked = () => reject(new Error("another tab has an older version of this page open"));
  }).catch((error) => {
    opened = undefined;
    throw error;
  });
  return opened;
}

async function within(stores, mode, work) {
  const transaction = (await database()).transaction(stores, mode);
  const asked = work(...stores.map((store) => transaction.objectStore(store)));
  await new Promise((resolve, reject) => {
    transaction.oncomplete = resolve;
    transaction.onabort = transaction.onerror = () => reject(transaction.error);
  });
  return asked?.result;
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
  for (const old of newest.slice(MOST)) await take(old.id);
  if (layers) await forgetOldLayers(newest.slice(0, MOST));
}

// The newest scenes keep theirs, as far as the bytes go.
async function forgetOldLayers(newest) {
  const all = new Map((await within(["layers"], "readonly", (store) => store.getAll())).map((layers) => [layers.id, layers]));
  let bytes = 0;
  for (const { id } of newest) {
    bytes += Object.values(all.get(id) ?? {}).reduce((sum, blob) => sum + (blob.size ?? 0), 0);
    if (bytes > MOST_LAYER_BYTES) await within(["layers"], "readwrite", (store) => store.delete(id));
  }
}

// Removes a scene, or everything. Returns what puts it back.
export async function take(id) {
  const taken = {};
  await within(STORES, "readwrite", (...stores) => {
    for (const [index, store] of stores.entries()) {
      if (id && STORES[index] === "boards") continue;
      const asked = store.getAll(id);
      asked.onsuccess = () => (taken[STORES[index]] = asked.result);
      if (id) store.delete(id);
      else store.clear();
    }
  });
  return () =>
    within(STORES, "readwrite", (...stores) => {
      for (const [index, store] of stores.entries()) for (const record of taken[STORES[index]] ?? []) store.put(record);
    });
}

export const keepBoard = (board) =>
  within(["boards"], "readwrite", (store) => {
    store.clear();
    store.put(board);
  });

export const forgetBoards = () => within(["boards"], "readwrite", (store) => store.clear());

// The storyboard that was last asked for as a job, if there was one.
export async function lastBoard() {
  return (await within(["boards"], "readonly", (store) => store.getAll()))[0];
}
