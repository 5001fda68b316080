/** Every error of the service and of the connection. */
export class ScenewrightError extends Error {
  override readonly name = "ScenewrightError";

  constructor(
    message: string,
    /** The HTTP status; 0 if no response arrived. */
    readonly status: number,
    /** Such as `invalid_request`, `rate_limited`, `unauthenticated`; `not_scenewright` for another server's response. */
    readonly code: string,
    /** The request's field at fault, if any. */
    readonly param: string | null = null,
    readonly requestId: string | null = null,
    /** The seconds to wait before retrying, with 429 and 503. */
    readonly retryAfterS: number | null = null,
  ) {
    super(message);
  }
}

/** Convert an error's body. */
export function errorOf(body: unknown, status: number, headers?: Headers): ScenewrightError {
  const error = field(body, "error");
  const [code, message] = [field(error, "code"), field(error, "message")];
  if (typeof code !== "string" || typeof message !== "string") {
    return new ScenewrightError(`the server at this address is not Scenewright (HTTP ${status})`, status, "not_scenewright");
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
