// Turn errors into sentences: a title, what happened, and what to do about it.
import { key } from "./storage.js";

const TITLES = {
  overloaded: "The service is busy.",
  rate_limited: "This key has reached its limit.",
  not_ready: "The service is not ready.",
  cutout_failed: "The figure could not be cut out.",
  unauthenticated: "An API key is needed.",
  forbidden: "Not allowed.",
  deadline_exceeded: "It took too long.",
  out_of_memory: "The service is out of memory.",
  no_book: "There is no book yet.",
  insufficient_storage: "The service has no space left.",
  generation_failed: "Painting failed.",
  content_refused: "This content was refused.",
  invalid_request: "The request is not valid.",
  unsupported_task: "The model cannot do this.",
  payload_too_large: "The request is too large.",
  not_found: "Not found.",
  gone: "This picture is gone.",
  internal: "The service failed.",
  unreachable: "No connection.",
  interrupted: "The connection was lost.",
};

export const titleOf = (error) => (error.code === "unauthenticated" && key() ? "This API key was not accepted." : TITLES[error.code] ?? "Something went wrong.");

// `label` is the label of the control in error, since users do not know the parameter's name.
export function sentencesOf(error, label) {
  if (error.code === "unauthenticated" && !key()) return "Enter yours under Connection.";
  const message = sentence(named(error, label));
  if (error.code === "unauthenticated") return `${message} Enter another one under Connection.`;
  if (error.code === "forbidden") return `${message} Enter a key that has this permission under Connection.`;
  return message;
}

// A parameter starts with its page or a job's scene, which the message may leave out.
function named({ message, param }, label) {
  if (!param || !label) return message;
  const [, page, rest] = param.match(/^(?:scenes|pages)\.(\d+)\.(.*)$/) ?? [null, null, param];
  const about = rest === "text" ? "text" : /^(character|background|characters\.\d)(\.prompt)?$/.test(rest) && "description";
  const name = page && about ? `The ${about} of page ${Number(page) + 1}` : label;
  return message.replaceAll(param, name).replaceAll(rest, name);
}

// The service's messages start in lower case and end without a full stop.
export function sentence(words) {
  const text = words.trim();
  const whole = text.charAt(0).toUpperCase() + text.slice(1);
  return /[.!?…]$/.test(whole) ? whole : `${whole}.`;
}
