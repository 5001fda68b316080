// Copy text, even on a page without TLS, which has no Clipboard API.
import { announce } from "./viewer.js";

export async function copy(words, said) {
  try {
    await navigator.clipboard.writeText(words);
  } catch {
    const area = Object.assign(document.createElement("textarea"), { value: words });
    document.body.append(area);
    area.select();
    document.execCommand("copy");  // The only way without TLS.
    area.remove();
  }
  announce(said);
}
