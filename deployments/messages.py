"""Define the messages between processes: one frozen dataclass each, of arrays and plain values only."""

from __future__ import annotations

import hashlib
import time
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

LayerKind = Literal["character", "background"]
Fallback = Literal["none", "reduce", "placeholder"]
MergeMode = Literal["auto", "cutout", "paste"]
Position = Literal["left", "center", "right"]
PictureFormat = Literal["jpeg", "png", "webp"]
Backend = Literal["diffusers", "simulated"]
Priority = Literal["interactive", "batch"]
Keypoint = tuple[float, float, float]
"""x and y as fractions of the picture's width and height, and a confidence; 0 is a point that is not
there."""
Feet = tuple[float, float]
"""Where a figure's soles are in its picture, as fractions of its width and height."""
Pixels = NDArray[np.uint8]
"""(height, width, 3) RGB or (height, width, 4) RGBA."""
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

    @property
    def cache_key(self) -> str:
        """Return the picture key as a short hash, to send to other processes."""
        return hashlib.blake2s(repr(self.picture_key).encode(), digest_size=8).hexdigest()


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


Unanswered = tuple[str, str, str, str, float, float]
"""A name of its own, the tenant, the request, the layer's path, seconds of the device, megapixel-steps."""


@dataclass(frozen=True)
class Recipe:
    """The final input of a model, after wrapping and reducing: with the seed, enough to paint it again.

    `image` and `mask`: the hashes of the files that it started from, and `strength` how far it went.
    `references` and `pose_image`: those of the other files that it was painted by, each with its scale, and
    `pose` the keypoints in place of such a file. `loras` changed it alone.
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


@dataclass(frozen=True)
class LayerResult:
    """A painted layer; `degraded` names what differs from the job, `warnings` what the caller should know.

    `cached`: it was painted for another job, equal to this one. `cast`, `cast_version`: of its own job.
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


@dataclass(frozen=True)
class OutputOptions:
    """The output format. `quality` 1..100 counts for JPEG and WebP."""

    format: PictureFormat = "jpeg"
    quality: int = 95


@dataclass(frozen=True)
class MergeOptions:
    """The frame, and how the character is set into it.

    `position` as a number is the share of the frame's width at which the figure's middle stands. `contrast`
    None: 1.1 for `paste`, else 1.0. `feet`: where the figure's pose has them in its picture; they
    stand at the position, on the ground.
    """

    mode: MergeMode = "auto"
    position: Position | float = "right"
    width_px: int = 1024
    height_px: int = 512
    scale: float = 1.0
    harmonize: float = 0.55
    shadow: bool = True
    contrast: float | None = None
    feet: Feet | None = None


MAX_FIGURES = 4
MAX_REFERENCES = 4
MAX_LORAS = 8
"""The most LoRAs of one picture."""
MAX_LORA_SCALE = 10.0
MAX_DEPTH = 100.0


@dataclass(frozen=True)
class FigureOptions:
    """Placement of one of several figures.

    `position` None: beside the others, spread evenly. `scale` multiplies that of the merge. A figure of more
    `depth` stands behind one of less; of equal ones the later in the list is in front. `feet`: as in the
    merge.
    """

    position: Position | float | None = None
    scale: float = 1.0
    depth: float = 0.0
    feet: Feet | None = None


@dataclass(frozen=True)
class MergeJob:
    """One merge of two painted layers into an encoded picture; `attribution` is the mark's text, or None.

    `tenant` and `priority` say whose turn it is, as in a LayerJob. `figures`: one for each of several
    characters, and none for a character alone, which stands as the options say.
    """

    request_id: str
    options: MergeOptions = field(default_factory=MergeOptions)
    output: OutputOptions = field(default_factory=OutputOptions)
    enhance: bool = False
    attribution: str | None = None
    layers: bool = False
    tenant: str = ""
    priority: Priority = "interactive"
    figures: tuple[FigureOptions, ...] = ()


@dataclass(frozen=True)
class UploadJob:
    """Picture files from elsewhere, as they came, and how to merge them.

    `given` names the fields of the merge's options that the caller set: layers of an earlier scene know the
    rest themselves, up to a frame of `max_frame_px` a side. `further` characters stand beside the first, and
    `given_figures` says the same of each of `merge.figures`. A file of more than `max_pixels` is refused
    before it is decoded. `characters_px`, of each character, and `background_px` are the pixels that their
    headers give, by which memory is kept for them.
    """

    merge: MergeJob
    character: bytes
    background: bytes
    max_pixels: int
    given: frozenset[str] = frozenset()
    max_frame_px: int = 1024
    characters_px: tuple[int, ...] = ()
    background_px: int = 0
    further: tuple[bytes, ...] = ()
    given_figures: tuple[frozenset[str], ...] = ()

    @property
    def characters(self) -> tuple[bytes, ...]:
        """Return the files of all figures."""
        return (self.character, *self.further)

    def character_name(self, index: int) -> str:
        """Return the name of a figure's file in an error: `character`, of several `character.0` and so on."""
        return f"character.{index}" if self.further else "character"


@dataclass(frozen=True)
class PictureJob:
    """One picture file from elsewhere, to be read once and written anew.

    `param` names it in errors. A file of more than `max_pixels` is refused before it is decoded; `pixels` are
    those that its header gives, by which memory is kept for it. `paints_transparent`: it is a mask that is
    transparent where OpenAI paints; it is written as one of ours, white there and black elsewhere.
    """

    request_id: str
    data: bytes
    param: str
    max_pixels: int
    pixels: int
    tenant: str = ""
    paints_transparent: bool = False


@dataclass(frozen=True, kw_only=True)
class CompareJob:
    """A picture of a member of the cast, to compare a painted figure with.

    `reference`: its PNG file, of `max_pixels` at most, and `name` its SHA-256, by which it is known again.
    """

    name: str
    reference: bytes
    max_pixels: int
    tenant: str = ""
    priority: Priority = "interactive"


@dataclass(frozen=True)
class Safety:
    """Judgement of a picture: `score` 0..1, and whether that is over the threshold."""

    score: float
    flagged: bool


@dataclass(frozen=True)
class Picture:
    """An encoded picture. `safety` where it was judged."""

    format: PictureFormat
    width_px: int
    height_px: int
    data: bytes
    safety: Safety | None = None


@dataclass(frozen=True, kw_only=True)
class SheetJob:
    """Layers of one figure to set into an atlas. `names`: of the poses, one for each layer."""

    request_id: str
    names: tuple[str, ...]
    tenant: str = ""


@dataclass(frozen=True, kw_only=True)
class SheetResult:
    """An atlas of poses. `frames`: where each is, as game engines read it; `poses`: each as its own file."""

    atlas: Picture
    frames: dict[str, dict[str, Any]]
    poses: dict[str, Picture]


@dataclass(frozen=True)
class FigureResult:
    """Figure of several as it was set in. `box` is its (x, y, width, height) in the frame."""

    mode: Literal["cutout", "paste"]
    confidence: float
    box: tuple[int, int, int, int]


@dataclass(frozen=True)
class MergeResult:
    """The merged picture. `box` is the character's (x, y, width, height) in the frame.

    Of several characters `figures` has each, `box` is around all of them, `mode` is `paste` where one of them
    was pasted, and `confidence` the least; the layers are `character-0`, `mask-0`, `painted-0` and so on.

    `layers` are given where requested, clean: `character` (RGBA) as cut out, `background` as painted, `mask`
    the character's alpha, `painted` the character before it was cut out. Merged with the same options,
    `character` and `background` are the picture again.

    `warnings` say what the caller should know, first of all why an `auto` merge was pasted.
    """

    picture: Picture
    mode: Literal["cutout", "paste"]
    confidence: float
    box: tuple[int, int, int, int]
    merge_ms: float
    output_ms: float
    layers: dict[str, Picture] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    figures: tuple[FigureResult, ...] = ()
