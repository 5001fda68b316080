/** The one shape of every refusal, as an error. */
export class ScenewrightError extends Error {
  override readonly name = "ScenewrightError";

  constructor(
    message: string,
    /** The HTTP status; 0 where no answer came. */
    readonly status: number,
    /** Such as `invalid_request`, `rate_limited`, `unauthenticated`; `not_scenewright` for another server's answer. */
    readonly code: string,
    /** The field at fault. */
    readonly param: string | null = null,
    readonly requestId: string | null = null,
    /** When to come back, with 429 and 503. */
    readonly retryAfterS: number | null = null,
  ) {
    super(message);
  }
}

/** Read an error's body. */
export function errorOf(body: unknown, status: number, headers?: Headers): ScenewrightError {
  const error = field(body, "error");
  const [code, message] = [field(error, "code"), field(error, "message")];
  if (typeof code !== "string" || typeof message !== "string") {
    return new ScenewrightError(`what answers there is not Scenewright (HTTP ${status})`, status, "not_scenewright");
  }
  const [param, id, after] = [field(error, "param"), field(error, "request_id"), headers?.get("retry-after")];
  const seconds = after && /^\d+$/.test(after) ? Number(after) : null;
  return new ScenewrightError(message, status, code, text(param), text(id), seconds);
}

function field(value: unknown, name: string): unknown {
  return typeof value === "object" && value !== null ? (value as Record<string, unknown>)[name] : undefined;
}

function text(value: unknown): string | null {
  return typeof value === "string" ? value : null;
}
