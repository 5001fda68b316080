// What was made here, in this browser: scenes with their pictures, their layers apart, storyboards of jobs.
import { PREFIX } from "./service.js";

const NAME = `scenewright${PREFIX === "/" ? "" : PREFIX}`;
const MOST = 60;
let opened;

function database() {
  opened ??= new Promise((resolve, reject) => {
    const asking = indexedDB.open(NAME, 1);
    asking.onupgradeneeded = () => {
      for (const store of ["scenes", "layers", "boards"]) asking.result.createObjectStore(store, { keyPath: "id" });
    };
    asking.onsuccess = () => resolve(asking.result);
    asking.onerror = () => reject(asking.error);
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

export async function keep(scene, layers) {
  await within(["scenes", "layers"], "readwrite", (kept, apart) => {
    kept.put(scene);
    if (layers) apart.put({ id: scene.id, ...layers });
  });
  for (const old of (await scenes()).slice(MOST)) await remove(old.id);
}

export const layersOf = (id) => within(["layers"], "readonly", (store) => store.get(id));

export const remove = (id) =>
  within(["scenes", "layers"], "readwrite", (kept, apart) => {
    kept.delete(id);
    apart.delete(id);
  });

export const removeAll = () =>
  within(["scenes", "layers", "boards"], "readwrite", (...stores) => {
    for (const store of stores) store.clear();
  });

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
