// Wrap a figure's description as the service does, with a plain backdrop where the figure will be cut out.
// A picture whose figure was painted for the one and is now used for the other needs the prompt word by word.

const TERMS = "highly detailed, professional digital art, intricate details, sharp focus, fantasy art style, concept art, detailed character design";
const PLAIN_BACKDROP = "full body, plain light gray studio background";

export const figurePrompt = (description, plainBackdrop) => [description, TERMS, ...(plainBackdrop ? [PLAIN_BACKDROP] : [])].join(", ");
