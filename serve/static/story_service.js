// Call /v1/stories.
import { cancel, eventsUntilEnd, keptScene, newKey } from "./job_service.js";
import { figuresOf } from "./figures.js";
import { JSON_IN, send } from "./service.js";

const STORIES = "v1/stories";
export const MOST_PAGES = 100;
const address = (id) => `${STORIES}/${encodeURIComponent(id)}`;
const page = ({ id, index }) => `${address(id)}/pages/${index}`;
const sendJson = (method, path, body, options = {}) => send(path, { method, body: JSON.stringify(body), ...options, headers: { ...JSON_IN, ...options.headers } });

// Turns a kept scene's request into a page of a story.
export function pageOf({ merge: { position, ...merge }, enhance = false, ...request }) {
  const figures = figuresOf(request);
  const characters = figures.length === 1 ? [{ position, ...figures[0] }] : figures;
  return { characters, background: request.background, merge, enhance };
}

export async function submitStory({ requests, words, title, author, language, seed }, signal) {
  const pages = requests.map((request, index) => ({ text: words[index], ...pageOf(request) }));
  const { fallback } = requests[0];
  const body = { title, language, seed, pages, ...(author && { author }), ...(fallback && { fallback }) };
  return (await sendJson("POST", STORIES, body, { headers: newKey(), signal })).json();
}

// Returns a story's title, order and page texts. An older service has no order.
export async function storyOf(id, signal) {
  const state = await (await send(address(id), { signal })).json();
  return { order: state.pages.map(({ index }) => index), ...state };
}

export const storyEvents = (id, signal, onBreak) => eventsUntilEnd(`${address(id)}/events`, signal, onBreak);
export const cancelStory = (id) => cancel(address(id));
// Works even while the browser leaves this page.
export const removeStory = (id) => send(address(id), { method: "DELETE", keepalive: true });

// Changes the `title` or the `order` of a story; or the `text` of one of its pages. Nothing is painted.
export const changeStory = (id, change) => sendJson("PATCH", address(id), change);
export const changePage = (which, change) => sendJson("PATCH", page(which), change);

export const repaintPage = (which, change, signal) => sendJson("POST", `${page(which)}/repaint`, change, { signal });

// Returns a page's scene; if it has one figure, in the form of a scene with one `character`.
export async function storyPage(which, signal) {
  const answer = await keptScene(page(which), signal);
  return answer.seeds?.characters?.length === 1 ? ofOneFigure(answer) : answer;
}

function ofOneFigure({ seeds, merge, layers, models, cast, timings_ms: ms, ...answer }) {
  const { figures, ...merged } = merge ?? {};
  return {
    ...answer,
    seeds: { character: seeds.characters[0], background: seeds.background },
    merge: merge && merged,
    layers: layers && { character: layers.characters[0], painted: layers.painted?.[0], background: layers.background },
    models: models && { character: models.characters[0], background: models.background },
    cast: cast && { character: cast.characters?.[0], background: cast.background },
    timings_ms: ms && Object.fromEntries(Object.entries(ms).map(([name, value]) => [name.replace("character-0-", "character-"), value])),
  };
}

// Returns the file of a book: `kind` is pdf, epub or zip.
export const book = async (id, kind) => (await send(`${address(id)}/book.${kind}`)).blob();
