"""Define one layer to paint: its parameters, what it costs and has used, and when two are equal."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from deployments.messages.value_types import Fallback, Keypoint, LayerKind, Priority

SMALL_PX = 256 * 256
"""A step of a smaller picture counts as long as one of this area, since a forward has a fixed cost.
On one core a step of the bundled background model takes 16 ms at 64 px, 25 at 256 and 58 at 512."""


def generator_name(kind: LayerKind, model: str = "") -> str:
    """Return the name of the generator that paints layers with a model; without one, with the default."""
    return f"{kind}:{model}" if model else kind


@dataclass(frozen=True, kw_only=True)
class LoraUse:
    """A LoRA from the operator's folder, and how strongly it changes a picture.

    `sha256` is the hash of its file's bytes. `param` is the path at which the request names it.
    """

    name: str
    sha256: str
    scale: float = 1.0
    param: str = field(default="loras", compare=False)


class SentWithTimeLeft:
    """Pickle `deadline_at`, a time on the process's own monotonic clock, as the seconds that are left.

    The clocks of two machines differ, so no time of day is sent: the receiver counts the seconds left from
    the moment it has the message, as gRPC does.
    """

    deadline_at: float

    def __getstate__(self) -> dict[str, Any]:
        return vars(self) | {"deadline_at": self.deadline_at - time.monotonic()}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state | {"deadline_at": time.monotonic() + state["deadline_at"]})


@dataclass(frozen=True, kw_only=True)
class LayerJob(SentWithTimeLeft):
    """One layer to paint, in the caller's own words; the replica wraps them into its prompt.

    `negative_prompt` None means the layer's default. `deadline_at` is a time on this process's monotonic
    clock, in seconds. `previews` is how many previews to send, spread evenly. `guidance_interval` is the part
    of the steps, as fractions, that is guided. `no_store`: the layer is neither taken from an equal job nor
    kept for one. `tenant` owns the share of the replicas that it takes; empty if all callers share one.
    `queue_events`: its caller receives queue positions. `figure` is the character's index in a scene of
    several. `model` is the id of the layer's model that paints it; empty for the first, which is the default.
    `image` and `mask` are the names of the files that it starts from, each the SHA-256 of its bytes; the
    files are sent with the job. `strength` is how far it departs from them. `loras` change only this
    picture.
    `cast` and `cast_version` are the cast member that it shows, empty for none. `reference` is the file of a
    picture of that member, which the figure is compared with.
    `references` are the names of the files of the pictures that it should resemble, by `reference_scale`.
    `pose` is a figure's keypoints in OpenPose's order. `pose_image` is the name of a file with the control
    picture instead. The model follows either by `pose_scale`.
    `guidance_cache`: one in so many steps computes the guidance, and the others reuse it.
    `param` is the path of its layer in a request that is not for a scene; empty for a single layer.
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
        """Return the cost of painting it, whatever the model."""
        return self.width_px * self.height_px * self.steps / 1e6

    @property
    def cost(self) -> float:
        """Return the megapixel-steps that predict its time, with at least SMALL_PX for each step."""
        return self.step_cost * self.steps

    @property
    def step_cost(self) -> float:
        return max(self.width_px * self.height_px, SMALL_PX) / 1e6

    @property
    def steps(self) -> int:
        """Return how many of its steps are taken: fewer if it starts from a picture."""
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
        """Return the names of the files that must be sent with it."""
        return tuple(self.files_by_param.values())

    @property
    def files_by_param(self) -> dict[str, str]:
        """Return the names of the files that must be sent with it, by the parameters that named them."""
        named = {"image": self.image, "mask": self.mask}
        named |= {f"references.{index}": name for index, name in enumerate(self.references)}
        named["pose.image"] = self.pose_image
        return {param: name for param, name in named.items() if name is not None}

    @property
    def picture_key(self) -> tuple[object, ...]:
        """Return all that a picture depends on: jobs for one model with equal keys have equal pictures.

        The key includes `fallback`, since that decides what a failure becomes.
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
        """Return the picture key as a short hash, to send to other processes. It is sent with the job."""
        return hashlib.blake2s(repr(self.picture_key).encode(), digest_size=8).hexdigest()


MAX_REFERENCES = 4
MAX_LORAS = 8
"""The most LoRAs for one picture."""
MAX_LORA_SCALE = 10.0
MAX_GUIDANCE_CACHE = 8
"""The most steps that share one step's guidance, including that step."""
CACHED_GUIDANCE = "cached_guidance"
"""Marks a picture that reused guidance in some steps, as its job requested."""


@dataclass(frozen=True)
class Usage:
    """Usage: device seconds, as the layer's share of every forward, and megapixel-steps.

    Both are zero for a layer that was painted before.
    """

    device_s: float = 0.0
    megapixel_steps: float = 0.0

    def __add__(self, other: Usage) -> Usage:
        return Usage(self.device_s + other.device_s, self.megapixel_steps + other.megapixel_steps)

    def share(self, of: int) -> Usage:
        """Return one of `of` equal shares."""
        return Usage(self.device_s / of, self.megapixel_steps / of)


def is_as_requested(degraded: Iterable[str]) -> bool:
    """Return whether `degraded` lists nothing but cached guidance, which the job itself requested."""
    return set(degraded) <= {CACHED_GUIDANCE}
