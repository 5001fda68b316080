"""Define what a generator replica sends back: the events of a layer, its result, and its readiness."""

from __future__ import annotations

from dataclasses import dataclass, field

from deployments.messages.layer_job import LoraUse, Usage
from deployments.messages.value_types import Backend, Keypoint, LayerKind, Pixels


@dataclass(frozen=True)
class QueueEvent:
    """A place in the queue.

    `ahead` layers are before it on its replica, those under way among them; 0 when its turn has come.
    """

    kind: LayerKind
    ahead: int


@dataclass(frozen=True)
class StepEvent:
    """A finished step: `step` of `steps` are done; `preview` is a small JPEG where the job wants one.

    `batch_rows`: of the largest forward in the step, of all layers that shared it. Events are equal whatever
    their peers.
    """

    kind: LayerKind
    step: int
    steps: int
    preview: bytes | None = None
    batch_rows: int = field(default=0, compare=False)


@dataclass(frozen=True)
class LayerTimings:
    """Milliseconds of wall clock in each stage of one layer."""

    queue_ms: float
    encode_ms: float
    denoise_ms: float
    decode_ms: float


Unanswered = tuple[str, str, str, str, float, float]
"""A name of its own, the tenant, the request, the layer's path, seconds of the device, megapixel-steps."""


@dataclass(frozen=True)
class Recipe:
    """The final input of a model, after wrapping and reducing: with the seed, enough to paint it again.

    `image` and `mask`: the hashes of the files that it started from, and `strength` how far it went.
    `references` and `pose_image`: those of the other files that it was painted by, each with its scale, and
    `pose` the keypoints in place of such a file. `loras` changed it alone. `guidance_cache`: one of so many
    steps computed the guidance.
    """

    prompt: str
    negative_prompt: str
    num_inference_steps: int
    guidance_scale: float
    sampler: str = ""
    image: str | None = None
    strength: float = 1.0
    mask: str | None = None
    references: tuple[str, ...] = ()
    reference_scale: float = 1.0
    pose: tuple[Keypoint, ...] = ()
    pose_image: str | None = None
    pose_scale: float = 1.0
    loras: tuple[LoraUse, ...] = ()
    guidance_cache: int = 1


@dataclass(frozen=True)
class LayerResult:
    """A painted layer.

    `degraded` names what differs from the job, or from the exact picture; `warnings` what the caller should
    know. `cached`: it was painted for another job, equal to this one. `cast`, `cast_version`: of its own job.
    `consistency`: how like its reference the member of the cast is, 0 to 1; None where nobody measured it.
    `usage`: what it took for this one.
    """

    kind: LayerKind
    pixels: Pixels
    seed: int
    model: str
    backend: Backend
    timings: LayerTimings
    degraded: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    recipe: Recipe | None = None
    cached: bool = False
    cast: str = ""
    cast_version: int = 0
    consistency: float | None = None
    usage: Usage = field(default_factory=Usage)


LayerEvent = QueueEvent | StepEvent | LayerResult
"""The events of a layer: its place while it waits, its steps, and the layer itself at the end."""


@dataclass(frozen=True)
class Readiness:
    """Readiness of a generator replica: whether it has painted its warm-up picture, and if not, why."""

    ready: bool
    reason: str
    model: str
    backend: Backend
