"""Define what a generator replica sends back: the events of a layer, its result, and its readiness."""

from __future__ import annotations

from dataclasses import dataclass, field

from deployments.messages.layer_job import LoraUse, Usage
from deployments.messages.value_types import Backend, Keypoint, LayerKind, Pixels


@dataclass(frozen=True)
class QueueEvent:
    """A position in the queue.

    `ahead` is the number of layers before it on its replica, including those under way; 0 at its turn.
    """

    kind: LayerKind
    ahead: int


@dataclass(frozen=True)
class StepEvent:
    """A finished step: `step` of `steps` are done; `preview` is a small JPEG if the job wants one.

    `batch_rows` is the number of rows in the largest forward of the step, over all layers that shared it.
    Comparing events ignores it.
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
"""A unique name, the tenant, the request, the layer's path, device seconds, and megapixel-steps."""


@dataclass(frozen=True)
class Recipe:
    """The final input of a model, after wrapping and reducing: with the seed, enough to paint it again.

    `image` and `mask` are the hashes of the files that it started from, and `strength` is how far it departed
    from them. `references` and `pose_image` are the hashes of the files that guided it, each with its scale;
    `pose` has the keypoints in place of a pose file. `loras` changed only this picture. `guidance_cache`: one
    in so many steps computed the guidance.
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

    `degraded` lists how it differs from the job, or from the exact picture; `warnings` say what the caller
    should know. `cached`: it was painted for another job, equal to this one. `cast` and `cast_version` are
    those of its own job. `consistency` is how closely the cast member resembles its reference, 0 to 1, or
    None if it was not measured. `usage` is what this job used.
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
"""The events of a layer: its queue position while it waits, its steps, and finally the layer itself."""


@dataclass(frozen=True)
class Readiness:
    """Readiness of a generator replica: whether it has painted its warm-up picture, and if not, why not."""

    ready: bool
    reason: str
    model: str
    backend: Backend
