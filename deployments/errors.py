"""Define everything that can go wrong with a request, as one tree.

ScenewrightError
├── InvalidRequest        the prompt or pictures sent cannot be used           422 invalid_request
│   ├── CutoutFailed      `cutout` was required and the matte is poor          422 cutout_failed
│   ├── UnsupportedTask   the model cannot do what was requested               422 unsupported_task
│   └── ContentRefused    the prompt or the picture is not allowed here        422 content_refused
├── Overloaded            no capacity now; retry after `retry_after_s`         429 overloaded
├── GenerationFailed      the model failed, or never made a usable picture     502 generation_failed
├── NotReady              the model is loading, or missing for now             503 not_ready
│   └── ModelUnusable     only other files or settings would help              503 not_ready
├── OutOfMemory           the device lacks memory for even this request alone  503 out_of_memory
├── DeadlineExceeded      the time the caller gave has run out                 504 deadline_exceeded
└── InternalError         a bug of ours or of a library; see the log           500 internal

One table, serve/http/error_responses.py, maps each class to the status and code shown beside it. Every class
passes all of its arguments to `super().__init__`. An error that does not loses its class when it passes
through a Ray handle.
"""

from __future__ import annotations

TOO_LONG = "this layer takes longer than the time allowed for it"
TOO_MUCH_AHEAD = "too much work is ahead of this layer to finish it by its deadline"
DEADLINE_PASSED = "the deadline passed before this layer was painted"
"""Messages of refusals for lack of time, by admission control at the edge or by the engine in a replica."""
NO_LORAS = "this model does not support LoRAs"


class ScenewrightError(Exception):
    """The root of the tree.

    `message` is shown to the caller unchanged, so it holds no paths, class names or values of other requests.
    """

    def __init__(self, message: str, param: str | None = None, retry_after_s: float | None = None) -> None:
        super().__init__(message, param, retry_after_s)
        self.message = message
        self.param = param
        self.retry_after_s = retry_after_s

    def __str__(self) -> str:
        return self.message


class InvalidRequest(ScenewrightError):
    pass


class CutoutFailed(InvalidRequest):
    pass


class UnsupportedTask(InvalidRequest):
    pass


class ContentRefused(InvalidRequest):
    pass


class Overloaded(ScenewrightError):
    pass


class GenerationFailed(ScenewrightError):
    pass


class NotReady(ScenewrightError):
    """The cause may pass: a file is missing or unreadable for now, or a hub cannot be reached."""


class ModelUnusable(NotReady):
    """The cause will not pass: corrupt files, the wrong kind of model, or a setting that cannot work here."""


class OutOfMemory(ScenewrightError):
    pass


class DeadlineExceeded(ScenewrightError):
    pass


class InternalError(ScenewrightError):
    pass
