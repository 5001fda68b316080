// Upload the pictures to paint from. The same picture has the same id, so one that has expired can be sent again.
import * as service from "./service.js";
import * as store from "./scene_store.js";

const MOST_SIDE_PX = 2048;
const MOST_IN_MEMORY = 20;
const AS_THEY_ARE = ["image/png", "image/jpeg", "image/webp"];
const recent = new Map();  // by id; available even if the browser keeps nothing

// Returns { id, width, height }.
export async function upload(blob, signal) {
  const { id, width, height } = await service.uploadPicture(blob, signal);
  recent.delete(id);
  recent.set(id, blob);
  if (recent.size > MOST_IN_MEMORY) recent.delete(recent.keys().next().value);
  await store.keepUpload(id, blob).catch(() => {});
  return { id, width, height };
}

// Returns an upload's file, from this browser or from the service; nothing if neither has it.
export async function fileOf(id) {
  const kept = recent.get(id) ?? (await store.uploadOf(id).catch(() => undefined))?.blob;
  return kept ?? service.pictureFile(id).catch(() => undefined);
}

// Returns whether uploading the request's pictures again may fix the error.
export const isExpired = ({ status, param }) => status === 410 || (status === 422 && /\.id$/.test(param ?? ""));

// Uploads the pictures that a request names and this browser still has. Returns whether there were any.
export async function uploadAgain(request, signal) {
  const ids = new Set(JSON.stringify(request).match(/(?<=")pic_\w+(?=")/g) ?? []);
  const found = [];
  for (const id of ids) {
    const kept = recent.get(id) ?? (await store.uploadOf(id).catch(() => undefined))?.blob;
    if (kept) found.push(await upload(kept, signal));
  }
  return found.length > 0;
}

// Returns a file that the service accepts: other formats and very large pictures are converted to PNG.
export async function readable(file) {
  const bitmap = await createImageBitmap(file).catch(() => {
    throw new Error("This browser cannot read the file as a picture. Choose a PNG, JPEG or WebP file.");
  });
  const scale = Math.min(1, MOST_SIDE_PX / Math.max(bitmap.width, bitmap.height));
  if (scale === 1 && AS_THEY_ARE.includes(file.type)) return file;
  const canvas = Object.assign(document.createElement("canvas"), { width: Math.max(1, Math.round(scale * bitmap.width)), height: Math.max(1, Math.round(scale * bitmap.height)) });
  canvas.getContext("2d").drawImage(bitmap, 0, 0, canvas.width, canvas.height);
  return pngOf(canvas);
}

export const pngOf = (canvas) =>
  new Promise((resolve, reject) => canvas.toBlob((blob) => (blob ? resolve(blob) : reject(new Error("This browser cannot write the picture."))), "image/png"));
