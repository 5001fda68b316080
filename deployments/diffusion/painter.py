"""The engine's interface to a model: begin, step, decode. All painters have it, the simulated one too."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, replace
from typing import Any, Literal, Protocol, TypeVar

from deployments.diffusion.guide_pictures import PosePicture, References
from deployments.diffusion.lora_weights import LoraWeights, PictureLora
from deployments.diffusion.start_picture import StartPicture
from deployments.messages import Backend, LoraUse, Pixels, Recipe

WHOLE = (0.0, 1.0)
Guidance = Literal["computed", "cached", "none"]
"""`cached`: the step reuses an earlier difference between the predictions with and without the prompt."""
Preview = Pixels | Future[Pixels | None]
"""A small version of the predicted picture, or the future of one that is drawn on another thread."""


@dataclass(frozen=True)
class PaintRequest:
    """One picture in the model's own terms. Its prompts are final.

    A `negative_prompt` of None means that there is none. The model decides what it reads instead, such as
    zeros in Stable Diffusion XL, which is not always the same as reading an empty prompt.
    `guidance_interval` is the range of steps, as fractions of all, in which guidance is applied
    (Kynkäänniemi et al. 2024, arXiv 2404.07724). Steps outside it cost half. One step in `guidance_cache`
    computes the guidance. The others reuse it, and cost half too.
    `start` is the picture to start from, None for noise alone. `references` are pictures that it should
    resemble, and `pose` is that of its figure. `loras` change this picture alone. A `read_scale` below 1
    scales down the pictures that the model reads beside its own latents, since the device had no room.
    """

    prompt: str
    negative_prompt: str | None
    num_inference_steps: int
    guidance_scale: float
    seed: int
    width_px: int
    height_px: int
    guidance_interval: tuple[float, float] = WHOLE
    start: StartPicture | None = None
    references: References | None = None
    pose: PosePicture | None = None
    loras: tuple[PictureLora, ...] = ()
    read_scale: float = 1.0
    guidance_cache: int = 1

    @property
    def steps(self) -> int:
        """Return the number of steps, as far as it is known without the scheduler."""
        steps = self.num_inference_steps
        return steps if self.start is None else self.start.steps(steps)


@dataclass(eq=False)
class Painting:
    """One picture in progress. All state that changes during a request is here, none in shared objects.

    `fault` is the error from this picture's own part of a step, which does not affect the others' parts.
    After a step in `preview_steps`, counted from 1, there may be a `preview`. `sampler` is the solver's name,
    if any.
    """

    request: PaintRequest
    steps: int
    guided: bool
    done: int = 0
    warnings: tuple[str, ...] = ()
    sampler: str = ""
    preview_steps: frozenset[int] = frozenset()
    preview: Preview | None = None
    fault: BaseException | None = None

    @property
    def guidance_now(self) -> Guidance:
        """Return where the guidance of the next step comes from."""
        return self._guidance_at(self.done)

    @property
    def caches_guidance(self) -> bool:
        """Return whether any step reuses the guidance of an earlier one."""
        if self.request.guidance_cache < 2:
            return False
        return any(self._guidance_at(step) == "cached" for step in range(self.steps))

    def _guidance_at(self, step: int) -> Guidance:
        if not self.guided:
            return "none"
        request = self.request
        return guidance_at(step, self.steps, request.guidance_interval, request.guidance_cache)

    @property
    def rows(self) -> int:
        """Return this picture's rows in the next forward: two if it computes guidance, else one."""
        return 2 if self.guidance_now == "computed" else 1

    @property
    def calls(self) -> int:
        """Return how many forwards one step of this picture takes part in."""
        return 1

    @property
    def forward_key(self) -> Hashable:
        """Return the key that must be equal for two pictures of one size to share a forward."""
        return None

    @property
    def recipe(self) -> Recipe:
        """Return everything that the model was given for this picture."""
        request = self.request
        recipe = Recipe(
            request.prompt,
            request.negative_prompt or "",
            request.num_inference_steps,
            request.guidance_scale,
            self.sampler,
        )
        if self.caches_guidance:
            recipe = replace(recipe, guidance_cache=request.guidance_cache)
        if request.loras:
            recipe = replace(recipe, loras=tuple(lora.use for lora in request.loras))
        start, references, pose = request.start, request.references, request.pose
        if start is not None:
            recipe = replace(recipe, image=start.name, strength=start.strength, mask=start.mask_name)
        if references is not None:
            recipe = replace(recipe, references=references.names, reference_scale=references.scale)
        if pose is not None:
            recipe = replace(recipe, pose=pose.keypoints, pose_image=pose.name, pose_scale=pose.scale)
        return recipe

    def close(self) -> None:
        """Free the device memory it holds, once no caller wants it. Called on the model's thread."""


def guidance_at(step: int, steps: int, interval: tuple[float, float], every: int) -> Guidance:
    """Return where the guidance of step `step` of `steps`, counted from 0, comes from.

    `interval` is the range of steps that have guidance, as fractions. One step in `every` computes it, and so
    does the first step of the interval.
    """
    begin, end = interval
    if not begin <= step / steps < end:
        return "none"
    is_first = step == 0 or (step - 1) / steps < begin
    return "computed" if is_first or step % every == 0 else "cached"


def forward_rows(paintings: Sequence[Painting]) -> list[int]:
    """Return the rows of each forward of the next step. Each kind of call needs at least one forward."""
    alike: dict[Hashable, list[Painting]] = {}
    for painting in paintings:
        alike.setdefault(painting.forward_key, []).append(painting)
    forwards = []
    for together in alike.values():
        for call in range(max(painting.calls for painting in together)):
            forwards.append(sum(painting.rows for painting in together if painting.calls > call))
    return forwards


def guided_rows(request: PaintRequest, guides: bool = True) -> int:
    """Return the rows of the first forward. `guides`: whether guidance adds a row in this model."""
    return Painting(request, request.num_inference_steps, guides and request.guidance_scale > 1).rows


def preview_steps(wanted: int, steps: int) -> frozenset[int]:
    """Return the steps, counted from 1 and evenly spread, that have a preview.

    The last step has none, since the picture itself follows it.
    """
    return frozenset(round(number * steps / (wanted + 1)) for number in range(1, wanted + 1)) - {0, steps}


SomePainting = TypeVar("SomePainting", bound=Painting)


class Painter(Protocol[SomePainting]):
    """A model that paints, used from one thread other than the event loop's.

    `load` raises NotReady. The calls that run the model raise OutOfMemory.
    """

    @property
    def model(self) -> str: ...
    @property
    def backend(self) -> Backend: ...
    @property
    def loaded(self) -> bool: ...
    @property
    def native_size(self) -> tuple[int, int]: ...
    @property
    def latent_factor(self) -> int: ...

    @property
    def example_start(self) -> StartPicture | None:
        """Return a start picture for the warm-up if the model cannot paint without one, else None."""

    @property
    def fixed_rows(self) -> int | None:
        """Return the row count that every forward is padded to; None if it varies."""

    @property
    def fingerprint(self) -> str:
        """Identify the loaded weights: if it differs, the pictures may too."""

    def load(self) -> None: ...

    def first_forwards(self, request: PaintRequest) -> Sequence[int]:
        """Return the rows of each forward in the first step of such a picture alone. From any thread."""

    @property
    def compile_states(self) -> Mapping[str, int]:
        """Return how many background-compiled forwards are in each state. From any thread."""

    def start_compiling(self) -> None:
        """Compile in the background the forwards run so far and those to come, if that is configured."""

    def stop_compiling(self) -> None:
        """Stop background compilation at once. From any thread."""

    def lora_size(self, use: LoraUse) -> int:
        """Predict the bytes of a LoRA. From any thread. Raises InvalidRequest if it cannot be used."""

    def read_lora(self, use: LoraUse) -> LoraWeights:
        """Read a LoRA onto the device. From any thread, one at a time. Raises as `lora_size` does."""

    def begin(self, request: PaintRequest) -> SomePainting:
        """Encode the prompt and draw the initial noise."""

    def step(self, paintings: Sequence[SomePainting]) -> None:
        """Run one step of all of them. If it raises, none of them has changed."""

    def decode(self, paintings: Sequence[SomePainting]) -> list[Pixels]:
        """Return RGB pixels of finished paintings of one size. Changes none of them."""

    def measure(self, rows: int) -> float:
        """Return the seconds of one forward of `rows` rows at the native size."""

    def free(self) -> None:
        """Free what can be freed after an OutOfMemory."""

    def unload(self) -> None: ...


AnyPainter = Painter[Any]
