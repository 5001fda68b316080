import assert from "node:assert/strict";
import { createServer } from "node:http";
import { after, before, test } from "node:test";

import { Scenewright, ScenewrightError, sourceOf } from "../dist/index.js";

let address;
let answer;
let asked;
const server = createServer((request, response) => {
  let body = "";
  request.on("data", (piece) => (body += piece));
  request.on("end", () => {
    asked = { method: request.method, url: request.url, headers: request.headers, body };
    answer(request, response);
  });
});

before(async () => {
  await new Promise((done) => server.listen(0, "127.0.0.1", done));
  address = `http://127.0.0.1:${server.address().port}`;
});
after(() => server.close());

function json(status, body, headers = {}) {
  answer = (_, response) => {
    response.writeHead(status, { "Content-Type": "application/json", ...headers });
    response.end(JSON.stringify(body));
  };
}

/** Each piece is written when the one before has gone. */
function stream(...pieces) {
  answer = async (_, response) => {
    response.writeHead(200, { "Content-Type": "text/event-stream" });
    for (const piece of pieces) {
      await new Promise((done) => response.write(piece, done));
      await new Promise((done) => setImmediate(done));
    }
    response.end();
  };
}

async function all(events) {
  const found = [];
  for await (const event of events) found.push(event);
  return found;
}

test("a scene's request carries the token and the key of idempotency, and none of it in the address", async () => {
  json(200, { image: { format: "png", url: "https://a.example/x" } });
  const client = new Scenewright(`${address}/`, { token: async () => "swt_1_a" });
  const scene = await client.scene({ character: "a", background: "b" }, { idempotencyKey: "k" });
  assert.equal(sourceOf(scene.image), "https://a.example/x");
  assert.deepEqual([asked.method, asked.url], ["POST", "/v1/scenes"]);
  assert.equal(asked.headers.authorization, "Bearer swt_1_a");
  assert.equal(asked.headers["idempotency-key"], "k");
  assert.equal(asked.headers.accept, "application/json");
  assert.deepEqual(JSON.parse(asked.body), { character: "a", background: "b" });
});

test("a picture that came as bytes can be shown too", () => {
  assert.equal(sourceOf({ format: "jpeg", width: 1, height: 1, b64_json: "AAAA" }), "data:image/jpeg;base64,AAAA");
});

test("a refusal has its code, its field and when to come back", async () => {
  const error = { type: "rate_limit_error", code: "rate_limited", message: "later", param: "x", request_id: "r" };
  json(429, { error }, { "Retry-After": "7" });
  await assert.rejects(new Scenewright(address).job("a/b"), (thrown) => {
    assert.ok(thrown instanceof ScenewrightError);
    const { status, code, param, requestId, retryAfterS, message } = thrown;
    assert.deepEqual([status, code, param, requestId, retryAfterS, message], [429, "rate_limited", "x", "r", 7, "later"]);
    return true;
  });
  assert.equal(asked.url, "/v1/jobs/a%2Fb");
});

for (const [name, make] of [
  ["a page of HTML", () => (answer = (_, response) => response.writeHead(502).end("<html>"))],
  ["JSON of another shape", () => json(404, { detail: "none" })],
  ["null", () => json(500, null)],
]) {
  test(`another server's response is named so: ${name}`, async () => {
    make();
    await assert.rejects(new Scenewright(address).job("a"), { code: "not_scenewright" });
  });
}

test("no response, a redirect and an aborted call", async () => {
  await assert.rejects(new Scenewright("http://127.0.0.1:1").job("a"), { code: "unreachable", status: 0 });
  answer = (_, response) => response.writeHead(307, { Location: "/elsewhere" }).end();
  await assert.rejects(new Scenewright(address, { token: "swt" }).job("a"), { code: "unreachable" });
  answer = () => undefined;
  await assert.rejects(new Scenewright(address).job("a", { signal: AbortSignal.timeout(20) }), { name: "TimeoutError" });
});

test("events are read however they are cut", async () => {
  const whole =
    ": alive\r\n\r\nevent: layer.progress\r\ndata: {\"layer\": \"character\",\r\ndata: \"step\": 1, \"steps\": 2}\r\n\r\n" +
    'event: new.one\ndata: {}\n\nid: 3\nevent: scene.completed\ndata: {"id": "caf\u00e9"}\n\n';
  const bytes = new TextEncoder().encode(whole);
  for (const size of [1, 2, 3, 7, bytes.length]) {
    const pieces = [];
    for (let at = 0; at < bytes.length; at += size) pieces.push(bytes.slice(at, at + size));
    stream(...pieces);
    const client = new Scenewright(address);
    const found = await all(client.sceneEvents({ character: "a", background: "b" }, { previews: 0 }));
    assert.deepEqual(found.map((each) => each.event), ["layer.progress", "new.one", "scene.completed"]);
    assert.deepEqual(found[0].data, { layer: "character", step: 1, steps: 2 });
    assert.equal(found[2].data.id, "caf\u00e9");
  }
  assert.equal(asked.url, "/v1/scenes?previews=0");
  assert.equal(asked.headers.accept, "text/event-stream");
});

test("a stream that ends with an error throws it, and one that breaks off says so", async () => {
  const client = new Scenewright(address);
  stream('event: error\ndata: {"error": {"code": "generation_failed", "message": "no"}}\n\n');
  await assert.rejects(all(client.jobEvents("a")), { code: "generation_failed" });
  stream('event: job.progress\ndata: {}\n\nevent: job.ended\ndata: {}');
  await assert.rejects(all(client.jobEvents("a")), { code: "disconnected" });
  stream("event: job.ended\ndata: <html>\n\n");
  await assert.rejects(all(client.jobEvents("a")), { code: "not_scenewright" });
});

test("a reader that leaves early closes the connection", async () => {
  const closed = new Promise((done) => {
    answer = (request, response) => {
      response.writeHead(200, { "Content-Type": "text/event-stream" });
      response.write('event: layer.progress\ndata: {"step": 1}\n\n');
      response.on("close", done);
    };
  });
  for await (const event of new Scenewright(address).sceneEvents({ character: "a", background: "b" })) {
    assert.equal(event.event, "layer.progress");
    break;
  }
  await closed;
});

test("what is painted later is a job", async () => {
  json(202, { id: "j", status: "queued", total: 1 });
  const accepted = await new Scenewright(address).sceneLater({ character: "a", background: "b" });
  assert.equal(accepted.id, "j");
  assert.equal(asked.headers.prefer, "respond-async");
});
