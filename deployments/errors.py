"""Define everything that can go wrong with a request, as one tree.

ScenewrightError
├── InvalidRequest        the words or pictures sent cannot be used            422 invalid_request
│   ├── CutoutFailed      `cutout` was insisted on and the matte is poor       422 cutout_failed
│   ├── UnsupportedTask   the model cannot do what was asked of it             422 unsupported_task
│   └── ContentRefused    the words or the picture are not allowed here        422 content_refused
├── Overloaded            no room; come back after `retry_after_s`             429 overloaded
├── GenerationFailed      the model failed, or never made a usable picture     502 generation_failed
├── NotReady              the model is loading, or missing for now             503 not_ready
│   └── ModelUnusable     only other files or settings would help              503 not_ready
├── OutOfMemory           the device has no room even for this request alone   503 out_of_memory
├── DeadlineExceeded      the time the caller gave has run out                 504 deadline_exceeded
└── InternalError         a fault of ours, or of a library: the log has it     500 internal

The status and code beside each are applied in one table, serve/http/error_responses.py. Every class passes
all of its arguments to `super().__init__`: one that does not loses its class on the way through a Ray
handle.
"""

from __future__ import annotations

TOO_LONG = "this layer takes longer than the time that was given for it"
TOO_MUCH_AHEAD = "there is too much to paint before this to have it done in time"
DEADLINE_PASSED = "the deadline passed before this layer was painted"
"""Refusals for lack of time, by admission control at the edge and by the engine in a replica."""
NO_LORAS = "this model takes no LoRAs"


class ScenewrightError(Exception):
    """The root of the tree.

    `message` is shown to the caller as it is: no paths, class names or values of other requests.
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
    """The cause can pass: a file that is missing or unreadable for now, a hub that cannot be reached."""


class ModelUnusable(NotReady):
    """The cause cannot pass: corrupt files, another kind of model, a setting that cannot be followed here."""


class OutOfMemory(ScenewrightError):
    pass


class DeadlineExceeded(ScenewrightError):
    pass


class InternalError(ScenewrightError):
    pass
