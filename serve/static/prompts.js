// Wrap a figure's description as the service does, with a plain backdrop if the figure will be cut out.
// The exact prompt is needed if a figure was painted for one mode and is now used in the other.

const TERMS = "highly detailed, professional digital art, intricate details, sharp focus, fantasy art style, concept art, detailed character design";
const PLAIN_BACKDROP = "full body, plain light gray studio background";

export const figurePrompt = (description, plainBackdrop) => [description, TERMS, ...(plainBackdrop ? [PLAIN_BACKDROP] : [])].join(", ");
