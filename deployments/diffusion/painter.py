"""The interface of the engine to a model: begin, step, decode. Both painters and their simulation have it."""

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
"""`cached`: the step adds the difference, prediction with its prompt less that without, of a step before."""
Preview = Pixels | Future[Pixels | None]
"""The predicted picture, small; or what will be it, elsewhere than on the model's thread."""


@dataclass(frozen=True)
class PaintRequest:
    """One picture in the model's own terms; prompts are final here.

    `negative_prompt` None is none at all: what the model then reads in its place, such as zeros in Stable
    Diffusion XL, is its own affair, and an empty one is not always the same.
    `guidance_interval`: the part of the steps, as fractions from the first, that guidance is applied in
    (Kynkäänniemi et al. 2024, arXiv 2404.07724); the steps outside it cost half. `guidance_cache`: one of so
    many steps computes the guidance; the others take it again, and cost half too.
    `start`: the picture that it starts from, where it is not noise alone. `references`: those that it shall
    resemble; `pose`: that of its figure. `loras` change it, and no other. `read_scale`: below 1 the pictures
    that it reads beside its own latents are scaled by it, since the device had no room for them.
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
        """Return how many steps are taken, as far as known before the scheduler is asked."""
        steps = self.num_inference_steps
        return steps if self.start is None else self.start.steps(steps)


@dataclass(eq=False)
class Painting:
    """One picture under way. Everything that changes during a request lives here, and on nothing shared.

    `fault` is what went wrong in this picture's own part of a step; its peers' parts were done. After a step
    in `preview_steps`, counted from 1, there may be a `preview`. `sampler`: the solver's name, where there is
    one.
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
        """Return whether any of its steps takes the guidance of one before."""
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
        """Return how many rows of the next forward are this picture's: two where it computes guidance."""
        return 2 if self.guidance_now == "computed" else 1

    @property
    def calls(self) -> int:
        """Return how many forwards a step of this picture has a part in."""
        return 1

    @property
    def forward_key(self) -> Hashable:
        """Return what two pictures of one size must have equal to share a forward."""
        return None

    @property
    def recipe(self) -> Recipe:
        """Return all that its model was given."""
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
        """Free what it holds of the device: nobody wants it any more. On the model's thread."""


def guidance_at(step: int, steps: int, interval: tuple[float, float], every: int) -> Guidance:
    """Return where the guidance of one of `steps` steps, counted from 0, comes from.

    `interval`: the part of the steps that has guidance, as fractions; `every`: at how many steps one computes
    it, 1 for all of them. The first of the interval always does.
    """
    begin, end = interval
    if not begin <= step / steps < end:
        return "none"
    is_first = step == 0 or (step - 1) / steps < begin
    return "computed" if is_first or step % every == 0 else "cached"


def forward_rows(paintings: Sequence[Painting]) -> list[int]:
    """Return the rows of each forward of the next step: at least one for each kind of call."""
    alike: dict[Hashable, list[Painting]] = {}
    for painting in paintings:
        alike.setdefault(painting.forward_key, []).append(painting)
    forwards = []
    for together in alike.values():
        for call in range(max(painting.calls for painting in together)):
            forwards.append(sum(painting.rows for painting in together if painting.calls > call))
    return forwards


def guided_rows(request: PaintRequest, guides: bool = True) -> int:
    """Return the rows of the first forward where guidance doubles them. `guides`: whether the model does."""
    return Painting(request, request.num_inference_steps, guides and request.guidance_scale > 1).rows


def preview_steps(wanted: int, steps: int) -> frozenset[int]:
    """Return the steps, counted from 1 and evenly spread, that have a preview.

    The picture itself follows the last.
    """
    return frozenset(round(number * steps / (wanted + 1)) for number in range(1, wanted + 1)) - {0, steps}


SomePainting = TypeVar("SomePainting", bound=Painting)


class Painter(Protocol[SomePainting]):
    """Used from one thread, and not the event loop's. `load` raises NotReady, the acts OutOfMemory."""

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
        """Return what a warm-up picture starts from, where the model paints from nothing else."""

    @property
    def fixed_rows(self) -> int | None:
        """Return the row count that every forward is filled up to; None where it varies."""

    @property
    def fingerprint(self) -> str:
        """Identify the weights that are loaded: where it differs, so may the pictures."""

    def load(self) -> None: ...

    def first_forwards(self, request: PaintRequest) -> Sequence[int]:
        """Return the rows of each forward of such a picture's first step, alone. From any thread."""

    @property
    def compile_states(self) -> Mapping[str, int]:
        """Return how many forwards were compiled in the background, wait or failed. From any thread."""

    def start_compiling(self) -> None:
        """Compile in the background what was painted so far, and what will be, where that is configured."""

    def stop_compiling(self) -> None:
        """End what compiles in the background, at once. From any thread."""

    def lora_size(self, use: LoraUse) -> int:
        """Foresee the bytes of a LoRA. From any thread. Raises InvalidRequest where it cannot be used."""

    def read_lora(self, use: LoraUse) -> LoraWeights:
        """Read a LoRA onto the device. From any thread, but one at a time; raises as `lora_size` does."""

    def begin(self, request: PaintRequest) -> SomePainting:
        """Read the words, draw the noise."""

    def step(self, paintings: Sequence[SomePainting]) -> None:
        """Run one forward over all of them. Where it raises, none of them has changed."""

    def decode(self, paintings: Sequence[SomePainting]) -> list[Pixels]:
        """Return RGB pixels of finished paintings of one size. Changes none of them."""

    def measure(self, rows: int) -> float:
        """Return seconds of one forward over so many rows at the native size."""

    def free(self) -> None:
        """Free what can be freed after an OutOfMemory."""

    def unload(self) -> None: ...


AnyPainter = Painter[Any]
