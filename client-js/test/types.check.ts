// Compiled and never run: what a caller writes has the types of the service's own OpenAPI.
import { Scenewright, sourceOf, type SceneRequest } from "../src/index.js";

const client = new Scenewright("https://paint.example", { token: async () => "swt_" });
const request: SceneRequest = {
  character: { prompt: "a knight", num_inference_steps: 4, seed: null },
  background: "a castle",
  merge: { position: { x: 0.3 } },
  output: { as: "url" },
};
const group: SceneRequest = { characters: ["a", { prompt: "b", depth: 1 }], background: "c" };

export async function paint(): Promise<string> {
  for await (const event of client.sceneEvents(group, { previews: 2 })) {
    if (event.event === "layer.progress") console.log(event.data.step.toFixed());
    // @ts-expect-error There is no such event.
    if (event.event === "layer.nothing") return "";
  }
  // @ts-expect-error There is no such field.
  const wrong: SceneRequest = { character: "a", background: "b", nothing: 1 };
  // @ts-expect-error A format of no picture.
  const odd: SceneRequest = { character: "a", background: "b", output: { format: "gif" } };
  console.log(wrong, odd, (await client.job("x")).scenes.length, (await client.mintToken()).token.length);
  const scene = await client.scene(request, { idempotencyKey: "a" });
  return sourceOf(scene.image) + scene.merge.mode;
}
