// Make the requests that paint one layer of a scene again and leave the others exactly as they are.
import { figuresOf, isSeveral } from "./figures.js";
import { figurePrompt } from "./prompts.js";
import { otherSeeds, reproducible, seeds } from "./result.js";

// `target` is { layer, index }, where `index` is the figure's; `change` has the fields to replace.
// Returns the request to send, the request to keep, and the mode that its figures are painted for.
export function repaint(scene, merging, { layer, index = 0 }, change = {}) {
  const { enhance, ...before } = scene.request;
  const asComposed = { ...before, ...merging };
  const several = isSeveral(before);
  const paintedMode = scene.painted?.mode ?? merging.merge.mode;
  // A single figure is painted for the current mode; one of several, for the same mode as the others.
  const mode = layer === "character" && !several ? merging.merge.mode : paintedMode;
  const seed = Math.floor(Math.random() * 2 ** 32);
  const rewritten = (fields) => ({ ...fields, ...change, seed });
  const kept = replaced(pinned(asComposed, scene), layer, index, rewritten);
  const sent = replaced({ ...reproducible({ ...scene, request: asComposed }), layers: true }, layer, index, () => {
    const fields = layerOf(kept, layer, index);
    const asPainted = layer === "character" && (mode === "paste") !== (merging.merge.mode === "paste");
    return asPainted ? { ...fields, prompt: figurePrompt(fields.prompt, mode !== "paste"), enhance_prompt: false } : fields;
  });
  return { sent, kept, mode };
}

export const layerOf = (request, layer, index = 0) => (layer === "character" ? figuresOf(request)[index] : request[layer]);

function replaced(request, layer, index, rewrite) {
  if (layer === "character" && index) return { ...request, others: request.others.map((other, number) => (number === index - 1 ? rewrite(other) : other)) };
  return { ...request, [layer]: rewrite(request[layer]) };
}

// Gives each layer the seed that it was painted with.
function pinned(request, scene) {
  const { character, background } = seeds(scene);
  const others = otherSeeds(scene);
  const first = { ...request, character: { ...request.character, seed: character }, background: { ...request.background, seed: background } };
  return request.others ? { ...first, others: request.others.map((other, index) => ({ ...other, seed: others[index] })) } : first;
}
