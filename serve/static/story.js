// Read a story's text: its scenes, and each description's seed. client/scenewright/stories.py follows the same rules.

const FORM = "who | where | text";
export const MOST_SCENES = 1000;
export const STORY_SEED = 42;

// One scene per line; an empty who or where repeats the scene before. Throws an error that names the line.
export function readStory(text) {
  const scenes = [];
  for (const [index, raw] of text.split(/\r\n|\r|\n/).entries()) {
    const line = raw.trim();
    if (!line || line.startsWith("#")) continue;
    const [who, where = "", words = "", ...more] = line.split("|").map((part) => part.trim());
    const before = scenes.at(-1) ?? {};
    const scene = { character: who || before.character, background: where || before.background, words };
    if (more.some(Boolean)) throw new Error(`line ${index + 1} has more than three parts: ${FORM}`);
    if (!scene.character || !scene.background) throw new Error(`line ${index + 1} needs who and where: ${FORM}`);
    if (scenes.length === MOST_SCENES) throw new Error(`line ${index + 1} is one scene too many: a story has at most ${MOST_SCENES}`);
    scenes.push(scene);
  }
  if (!scenes.length) throw new Error(`the story has no scenes: write a line for each, ${FORM}`);
  return scenes;
}

// Gives the same description the same seed, for scenes that are not sent as a story: there the service does it. Cast
// members have their own seeds.
export const seeded = (requests, storySeed) =>
  requests.map((request) => {
    const layer = (name) => (request[name].cast ? request[name] : { ...request[name], seed: request[name].seed ?? descriptionSeed(name, request[name].prompt, storySeed) });
    return { ...request, character: layer("character"), background: layer("background") };
  });

// Returns the 32-bit FNV-1a hash of the story's seed, the layer and the description: the same description has the same seed.
export function descriptionSeed(layer, description, storySeed = STORY_SEED) {
  const plain = description.normalize("NFC").trim().replace(/\s+/g, " ").toLowerCase();
  let value = 0x811c9dc5;
  for (const byte of new TextEncoder().encode(`${storySeed}\n${layer}\n${plain}`)) value = Math.imul(value ^ byte, 0x01000193) >>> 0;
  return value;
}
