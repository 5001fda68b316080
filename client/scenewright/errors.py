"""All errors that the client raises.

ServerUnreachable      no response, or an incomplete one
ScenewrightError       the service responded with an error, or the request was not sent
├─ NotSent             nothing was sent: the address, the key, the proxy, a certificate or a field is wrong
├─ InvalidRequest      400, 413, 415, 422: `param` names the field
│  └─ CutoutFailed
├─ Unauthenticated     401
├─ Forbidden           403
├─ NotFound            404
├─ Conflict            409, 412: the name is taken, or another caller has changed the object since
├─ Gone                410: a kept picture was damaged, and cannot be made again
├─ Overloaded          429: also if a key's quota is spent
├─ GenerationFailed    502
├─ NotReady            503
├─ OutOfMemory         503
├─ DeadlineExceeded    504
└─ NotScenewright      a response that is not in Scenewright's format
"""

from __future__ import annotations

from typing import Any


class ServerUnreachable(ConnectionError):
    """No complete response came from the address. `refused` means that no program listens there."""

    def __init__(self, message: str, refused: bool = False) -> None:
        super().__init__(message)
        self.refused = refused


class ScenewrightError(Exception):
    """The base class. `param` names the field at fault, if there is one.

    `request_id` finds the request in the service's logs. `status` is the response's, or 0 if there was no
    response (NotSent).
    """

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        param: str | None = None,
        request_id: str | None = None,
        retry_after_s: float | None = None,
    ) -> None:
        super().__init__(status, code, message, param, request_id, retry_after_s)
        self.status, self.code, self.message = status, code, message
        self.param, self.request_id, self.retry_after_s = param, request_id, retry_after_s

    def __str__(self) -> str:
        return self.message


class NotSent(ScenewrightError): ...


class InvalidRequest(ScenewrightError): ...


class CutoutFailed(InvalidRequest): ...


class Unauthenticated(ScenewrightError): ...


class Forbidden(ScenewrightError): ...


class NotFound(ScenewrightError): ...


class Conflict(ScenewrightError): ...


class Gone(ScenewrightError): ...


class Overloaded(ScenewrightError): ...


class GenerationFailed(ScenewrightError): ...


class NotReady(ScenewrightError): ...


class OutOfMemory(ScenewrightError): ...


class DeadlineExceeded(ScenewrightError): ...


class NotScenewright(ScenewrightError): ...


BY_CODE: dict[str, type[ScenewrightError]] = {
    "cutout_failed": CutoutFailed,
    "out_of_memory": OutOfMemory,
    "generation_failed": GenerationFailed,
    "deadline_exceeded": DeadlineExceeded,
    "not_ready": NotReady,
    "rate_limited": Overloaded,
    "overloaded": Overloaded,
}
BY_STATUS: dict[int, type[ScenewrightError]] = {
    400: InvalidRequest,
    401: Unauthenticated,
    403: Forbidden,
    404: NotFound,
    409: Conflict,
    410: Gone,
    412: Conflict,
    413: InvalidRequest,
    415: InvalidRequest,
    422: InvalidRequest,
    429: Overloaded,
    503: NotReady,
}


def not_sent(message: str, param: str | None = None) -> NotSent:
    """Make the error of a request that cannot be sent; `param` is the argument at fault."""
    return NotSent(0, "not_sent", message, param)


def error_of(status: int, body: Any, retry_after_s: float | None = None) -> ScenewrightError:
    """Make the error that a response or a stream's event describes.

    Raises KeyError or TypeError for a body in another format.
    """
    error = body["error"]
    code, message = error["code"], error["message"]
    if not isinstance(code, str) or not isinstance(message, str):
        raise TypeError("an error in another format")
    kind = BY_CODE.get(code) or BY_STATUS.get(status, ScenewrightError)
    return kind(status, code, message, error.get("param"), error.get("request_id"), retry_after_s)
