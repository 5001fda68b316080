// Turn a response's pictures into blobs, and blobs into object URLs.

export function blobOf({ format, b64_json }) {
  const bytes = Uint8Array.from(atob(b64_json), (character) => character.charCodeAt(0));
  return new Blob([bytes], { type: `image/${format}` });
}

export const previewBlob = (base64) => blobOf({ format: "jpeg", b64_json: base64 });

const addresses = new WeakMap();

// Returns an object URL for the element's new blob, if any, and revokes its previous one.
function address(element, blob) {
  const before = addresses.get(element);
  if (before) URL.revokeObjectURL(before);
  const url = blob ? URL.createObjectURL(blob) : null;
  addresses.set(element, url);
  return url;
}

export function show(img, blob) {
  const url = address(img, blob);
  img.hidden = !url;
  if (url) img.src = url;
  else img.removeAttribute("src");
}

export const offer = (anchor, blob) => (anchor.href = address(anchor, blob));
