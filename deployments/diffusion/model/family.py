"""Define a family of text-to-image models: how its pipelines are called, and its requests' defaults."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

Guidance = Literal["classifier_free", "embedded", "none"]
HalfPrecision = Literal["float16", "bfloat16"]
Task = Literal["text_to_image", "image_to_image", "inpainting", "image_editing"]
ModelTask = Literal[Task, "references", "pose", "loras"]
"""Everything that a model can be asked for. The last three combine with each other and with each Task.

`controlled` says which tasks a pose combines with.
"""


@dataclass(frozen=True, kw_only=True)
class Family:
    """One row of the table of families.

    `pipelines` are the classes that model_index.json may name. `index`, `config` and `named` separate the
    families of one class: values in model_index.json, values in the denoiser's config.json, and a word in the
    model's name.

    `guidance`: `classifier_free` reads a negative prompt. `embedded` reads the scale as an input, and `none`
    was distilled without it, so neither has a negative prompt. `negative_prompt`: whether the pipeline takes
    one. `guidance_argument` is the pipeline's name for the scale, and it guides at scales above
    `guided_above`. `guided_calls` counts the denoiser's calls in a guided step: 2 if the one without the
    prompt is a separate call, else both are rows of one call, those with the prompt first if `prompt_first`.
    `no_negative_prompt` is the negative prompt of a guided request that has none.

    `prompt_tokens` is how many tokens of a prompt are read. `arguments` are further arguments of the
    pipeline. `shared` are the denoiser's parameters without a row axis, and `row_lists` those that are lists
    of one entry per row. `packed`: latents are (rows, tokens, channels). `prediction` is what the network
    predicts: `flow` is a velocity, with x0 = x - sigma * v, and `scheduler` what the scheduler's
    configuration says. `size_from` is the part whose sample_size is the native size, in latents for the
    denoiser and in pixels for the VAE. If it has none, `native_size` is used. Sides are multiples of `patch`
    latents of `vae_factor` pixels each. `half` is the precision on a GPU if the operator has not set one.

    `image_to_image`, `inpainting` and `image_editing` are the diffusers classes for these tasks over the same
    networks, if any. Image editing reads a picture and an instruction, and takes all steps. `controlled` are
    the classes for tasks with a ControlNet. `from_words`: whether it also paints from words alone.
    `area_argument` takes the picture's pixel count, since the pipeline scales the picture to an area.
    `ip_adapter`: whether diffusers has IP-Adapters for it. `reference_argument` is the pipeline's own
    argument for pictures that the prompt refers to, if any, and `masked_reference_argument` that of its
    inpainting pipeline for one such picture. `takes_loras`: whether diffusers reads LoRAs for it.
    """

    name: str
    title: str
    pipelines: tuple[str, ...]
    num_inference_steps: int
    guidance_scale: float
    prompt_tokens: int
    denoiser: Literal["unet", "transformer"] = "transformer"
    guidance: Guidance = "classifier_free"
    negative_prompt: bool = True
    guidance_argument: str = "guidance_scale"
    guided_above: float = 1.0
    guided_calls: int = 1
    prompt_first: bool = False
    no_negative_prompt: str | None = None
    arguments: Mapping[str, Any] = field(default_factory=dict)
    shared: frozenset[str] = frozenset()
    row_lists: frozenset[str] = frozenset()
    packed: bool = False
    prediction: Literal["flow", "scheduler"] = "flow"
    native_size: tuple[int, int] = (1024, 1024)
    size_from: Literal["denoiser", "vae"] = "vae"
    patch: int = 2
    vae_factor: int = 8
    half: HalfPrecision = "bfloat16"
    quality_terms: bool = False
    image_to_image: str = ""
    inpainting: str = ""
    image_editing: str = ""
    from_words: bool = True
    area_argument: str = ""
    controlled: Mapping[Task, str] = field(default_factory=dict)
    ip_adapter: bool = False
    reference_argument: str = ""
    masked_reference_argument: str = ""
    takes_loras: bool = True
    index: Mapping[str, Any] = field(default_factory=dict)
    config: Mapping[str, Any] = field(default_factory=dict)
    named: str = ""

    @property
    def tasks(self) -> tuple[Task, ...]:
        """Return the tasks that its models can do."""
        from_words: tuple[Task, ...] = ("text_to_image",) if self.from_words else ()
        return (*from_words, *self.task_pipelines)

    def task_of(self, has_image: bool, has_mask: bool) -> Task:
        """Return the task that a request asks for. `tasks` says whether the family can do it."""
        if not has_image:
            return "text_to_image"
        if has_mask:
            return "inpainting"
        return "image_editing" if self.image_editing and not self.image_to_image else "image_to_image"

    @property
    def task_pipelines(self) -> dict[Task, str]:
        """Return the pipeline class of each task except text to image."""
        named: dict[Task, str] = {
            "image_to_image": self.image_to_image,
            "inpainting": self.inpainting,
            "image_editing": self.image_editing,
        }
        return {task: kind for task, kind in named.items() if kind}

    @property
    def is_distilled(self) -> bool:
        """Return whether it is a variant that `distilled` returns."""
        return self.denoiser == "unet" and self.guidance == "embedded"

    def distilled(self) -> Family:
        """Return this family's variant for a guidance-distilled UNet, such as a latent consistency model.

        Such a UNet reads the scale, and has no rows without the prompt. The ControlNet pipelines that start
        from a picture do not support it, and would give it both rows and no scale.
        """
        if self.is_distilled:
            return self
        from_words: Task = "text_to_image"
        controlled = {task: kind for task, kind in self.controlled.items() if task == from_words}
        title = f"{self.title} distilled for guidance"
        return replace(self, title=title, guidance="embedded", controlled=controlled)

    @property
    def takes_negative_prompt(self) -> bool:
        return self.guidance == "classifier_free" and self.negative_prompt

    @property
    def takes_guidance_scale(self) -> bool:
        return self.guidance != "none"
