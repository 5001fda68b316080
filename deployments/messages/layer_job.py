"""Define one layer to paint: what it asks for, what it costs and has used, and when two are equal."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from deployments.messages.value_types import Fallback, Keypoint, LayerKind, Priority

SMALL_PX = 256 * 256
"""A step of a smaller picture is taken to need as long as one of this area: a forward has a fixed cost.
On one core a step of the bundled background model takes 16 ms at 64 px, 25 at 256 and 58 at 512."""


def generator_name(kind: LayerKind, model: str = "") -> str:
    """Return the name of the generator that paints with a model of a layer; without one, with its first."""
    return f"{kind}:{model}" if model else kind


@dataclass(frozen=True, kw_only=True)
class LoraUse:
    """A LoRA of the operator's folder, and how far it changes a picture.

    `sha256`: of its file's bytes. `param`: where its request names it.
    """

    name: str
    sha256: str
    scale: float = 1.0
    param: str = field(default="loras", compare=False)


class SentWithTimeLeft:
    """Pickle `deadline_at`, a time of the process's own monotonic clock, as the seconds that are left.

    Two machines' clocks differ, so no time of day crosses a process: the receiver counts what
    is left from when it has the message, as gRPC does.
    """

    deadline_at: float

    def __getstate__(self) -> dict[str, Any]:
        return vars(self) | {"deadline_at": self.deadline_at - time.monotonic()}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state | {"deadline_at": time.monotonic() + state["deadline_at"]})


@dataclass(frozen=True, kw_only=True)
class LayerJob(SentWithTimeLeft):
    """One layer to paint, in the caller's own words; the replica wraps them into its prompt.

    `negative_prompt` None means the layer's default one. `deadline_at` is a time of this process's monotonic
    clock, in seconds. `previews` are sent on the way, spread evenly. `guidance_interval`: the part of the
    steps, as fractions, that is guided. `no_store`: neither answered from an equal job's layer nor kept for
    one. `tenant`: whose share of the replicas it takes; empty where callers share one. `queue_events`:
    its caller hears of its place in the queue. `figure`: which of its scene's several characters it is.
    `model`: the id of that one of its layer's models that paints it; empty for the first, which is the
    default.
    `image` and `mask`: the names of the files that it starts from, each the SHA-256 of its bytes; the files
    go beside the job. `strength`: how far it goes from them. `loras` change this picture alone.
    `cast`, `cast_version`: who of the cast it shows, empty for nobody; `reference`: the file of a picture of
    that member, which the figure is compared with.
    `references`: the names of the files of the pictures that it shall resemble, by `reference_scale`.
    `pose`: a figure's keypoints in OpenPose's order, or `pose_image`, the name of a file with the control
    picture; the model follows it by `pose_scale`.
    `guidance_cache`: one of so many steps computes the guidance, and the others take it again.
    `param`: the path of its layer in its request, where that is no scene's; empty for a layer alone.
    """

    request_id: str
    kind: LayerKind
    prompt: str
    num_inference_steps: int
    guidance_scale: float
    seed: int
    width_px: int
    height_px: int
    deadline_at: float
    negative_prompt: str | None = None
    enhance_prompt: bool = True
    plain_backdrop: bool = False
    fallback: Fallback = "reduce"
    priority: Priority = "interactive"
    previews: int = 0
    guidance_interval: tuple[float, float] = (0.0, 1.0)
    no_store: bool = False
    tenant: str = ""
    queue_events: bool = False
    figure: int | None = None
    model: str = ""
    image: str | None = None
    strength: float = 1.0
    mask: str | None = None
    loras: tuple[LoraUse, ...] = ()
    cast: str = ""
    cast_version: int = 0
    reference: str | None = None
    references: tuple[str, ...] = ()
    reference_scale: float = 1.0
    pose: tuple[Keypoint, ...] = ()
    pose_image: str | None = None
    pose_scale: float = 1.0
    guidance_cache: int = 1
    param: str | None = field(default=None, compare=False)

    @property
    def generator(self) -> str:
        """Return the name of the generator that paints it."""
        return generator_name(self.kind, self.model)

    @property
    def megapixel_steps(self) -> float:
        """Return the cost to paint it, whatever the model."""
        return self.width_px * self.height_px * self.steps / 1e6

    @property
    def cost(self) -> float:
        """Return the megapixel-steps by which its time is foreseen: of SMALL_PX a step at least."""
        return self.step_cost * self.steps

    @property
    def step_cost(self) -> float:
        return max(self.width_px * self.height_px, SMALL_PX) / 1e6

    @property
    def steps(self) -> int:
        """Return how many of its steps are taken: fewer where it starts from a picture."""
        steps = self.num_inference_steps
        return steps if self.image is None else max(1, int(steps * self.strength))

    @property
    def path(self) -> str:
        """Return its path in a scene's request."""
        return self.kind if self.figure is None else f"{self.kind}s.{self.figure}"

    def param_of(self, name: str) -> str:
        """Return the path of one of its parameters in its request."""
        place = self.path if self.param is None else self.param
        return f"{place}.{name}" if place else name

    @property
    def files(self) -> tuple[str, ...]:
        """Return the names of the files that must go beside it."""
        return tuple(self.files_by_param.values())

    @property
    def files_by_param(self) -> dict[str, str]:
        """Return the names of the files that must go beside it, by the parameters that they were given as."""
        named = {"image": self.image, "mask": self.mask}
        named |= {f"references.{index}": name for index, name in enumerate(self.references)}
        named["pose.image"] = self.pose_image
        return {param: name for param, name in named.items() if name is not None}

    @property
    def picture_key(self) -> tuple[object, ...]:
        """Return all that a picture depends on: jobs of one model with equal keys have equal pictures.

        `fallback` is in it, since it decides what a failure becomes.
        """
        return (
            self.kind,
            self.model,
            self.prompt,
            self.negative_prompt,
            self.num_inference_steps,
            self.guidance_scale,
            self.seed,
            self.width_px,
            self.height_px,
            self.enhance_prompt,
            self.plain_backdrop,
            self.fallback,
            self.guidance_interval,
            self.guidance_cache,
            self.image,
            self.strength,
            self.mask,
            self.references,
            self.reference_scale,
            self.pose,
            self.pose_image,
            self.pose_scale,
            tuple((lora.sha256, lora.scale) for lora in self.loras),
        )

    @cached_property
    def cache_key(self) -> str:
        """Return the picture key as a short hash, to send to other processes. It goes along with the job."""
        return hashlib.blake2s(repr(self.picture_key).encode(), digest_size=8).hexdigest()


MAX_REFERENCES = 4
MAX_LORAS = 8
"""The most LoRAs of one picture."""
MAX_LORA_SCALE = 10.0
MAX_GUIDANCE_CACHE = 8
"""The most steps that take one step's guidance, its own among them."""
CACHED_GUIDANCE = "cached_guidance"
"""Declared of a picture that took its guidance again in some steps, as its job has requested."""


@dataclass(frozen=True)
class Usage:
    """Usage: seconds of the device, as the share of every forward, and megapixel-steps.

    Both are zero for what was painted before.
    """

    device_s: float = 0.0
    megapixel_steps: float = 0.0

    def __add__(self, other: Usage) -> Usage:
        return Usage(self.device_s + other.device_s, self.megapixel_steps + other.megapixel_steps)

    def share(self, of: int) -> Usage:
        """Return an equal share among so many."""
        return Usage(self.device_s / of, self.megapixel_steps / of)


def is_as_requested(degraded: Iterable[str]) -> bool:
    """Return whether an equal job would get an equal picture: what was requested is declared too."""
    return set(degraded) <= {CACHED_GUIDANCE}
