import { ScenewrightError, errorOf } from "./errors.js";

/** One event of a stream: its name, and its data as JSON. */
export interface ServerEvent {
  readonly event: string;
  readonly id: string | null;
  readonly data: unknown;
}

/**
 * Read a stream of server-sent events (the HTML standard, 9.2), as EventSource would. EventSource itself can send
 * neither a token nor a body.
 */
export async function* readEvents(body: ReadableStream<Uint8Array<ArrayBuffer>>): AsyncGenerator<ServerEvent, void, void> {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  let event = "";
  let id: string | null = null;
  let data: string[] = [];
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      // A CR at the end may be the first half of a CRLF.
      const lines = (rest + value).split(/\r\n|\n|\r(?!$)/);
      rest = lines.pop() ?? "";
      for (const line of lines) {
        if (line === "") {
          if (data.length) yield { event: event || "message", id, data: parsed(data.join("\n")) };
          [event, data] = ["", []];
          continue;
        }
        const colon = line.indexOf(":");
        if (colon === 0) continue;
        const name = colon < 0 ? line : line.slice(0, colon);
        const text = colon < 0 ? "" : line.slice(colon + 1).replace(/^ /, "");
        if (name === "event") event = text;
        else if (name === "data") data.push(text);
        else if (name === "id") id = text;
      }
    }
  } finally {
    await reader.cancel().catch(() => undefined);
  }
}

/** Yield events up to the one named `last`. Throws a stream's error event, and an error if the stream breaks off. */
export async function* untilLast(
  events: AsyncIterable<ServerEvent>,
  last: string,
): AsyncGenerator<ServerEvent, void, void> {
  for await (const each of events) {
    if (each.event === "error") throw errorOf(each.data, 200);
    yield each;
    if (each.event === last) return;
  }
  throw new ScenewrightError("the stream broke off before the work was done", 0, "disconnected");
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new ScenewrightError("the server at this address is not Scenewright", 200, "not_scenewright");
  }
}
