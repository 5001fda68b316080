// Copy words, also where a page without TLS has no clipboard of its own.
import { announce } from "./viewer.js";

export async function copy(words, said) {
  try {
    await navigator.clipboard.writeText(words);
  } catch {
    const area = Object.assign(document.createElement("textarea"), { value: words });
    document.body.append(area);
    area.select();
    document.execCommand("copy");  // Without TLS there is no clipboard but this.
    area.remove();
  }
  announce(said);
}
