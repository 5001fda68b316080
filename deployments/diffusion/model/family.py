"""Define a family of text-to-image models: how it is called, and what its requests get by default."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

Guidance = Literal["classifier_free", "embedded", "none"]
HalfPrecision = Literal["float16", "bfloat16"]
Task = Literal["text_to_image", "image_to_image", "inpainting", "image_editing"]
ModelTask = Literal[Task, "references", "pose", "loras"]
"""All that a model can be asked for. The last three go together with each other and with each Task.

`controlled` says which tasks a pose goes with.
"""


@dataclass(frozen=True, kw_only=True)
class Family:
    """One row of the table.

    `pipelines`: the classes that model_index.json may name. `index`, `config` and `named` separate the
    families of one class: values in model_index.json, in the denoiser's config.json, a word in the model's
    name. `guidance`: `classifier_free` reads a negative prompt; `embedded` reads the scale as an input, and
    `none` was distilled without, so neither has a negative prompt. `negative_prompt`: whether the pipeline
    takes one. `guidance_argument`: the name under which the pipeline takes the scale. `guided_above`: above
    this scale it guides. `guided_calls`: calls of the denoiser in a guided step: 2 where the one without the
    prompt is a call of its own, else both are rows of one; `prompt_first`: there the rows with the prompt are
    the first. `no_negative_prompt`: what it takes where a guided request has none.
    `prompt_tokens`: how many tokens of a prompt are read. `arguments`: further arguments of the pipeline.
    `shared`: parameters of the denoiser that have no row axis. `row_lists`: those that are lists of one entry
    a row. `packed`: latents are (rows, tokens, channels). `prediction`: what the network predicts: `flow` a
    velocity, where x0 = x - sigma * v; `scheduler` what the scheduler's configuration says. `size_from`: the
    part whose sample_size is the native size, in latents for the denoiser and in pixels for the VAE;
    `native_size` where it has none. `patch`: sides are multiples of it, in latents, of which one is
    `vae_factor` pixels. `half`: what a GPU computes in where the operator has not said.
    `image_to_image`, `inpainting`, `image_editing`: the classes of diffusers for these tasks, over the same
    networks, where there are any. Image editing reads a picture and an instruction, and takes all steps.
    `from_words`: whether it paints from words alone too. `area_argument`: takes the pixels of the picture, to
    which the pipeline would else scale its sides. `controlled`: those of each task with a ControlNet.
    `ip_adapter`: whether diffusers has IP-Adapters for it. `reference_argument`: the pipeline's own argument
    for pictures that the words speak of, where it has one. `masked_reference_argument`: that of its
    inpainting for one such picture. `takes_loras`: whether diffusers reads LoRAs for it.
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
        """Return what its models can be asked for."""
        from_words: tuple[Task, ...] = ("text_to_image",) if self.from_words else ()
        return (*from_words, *self.task_pipelines)

    def task_of(self, has_image: bool, has_mask: bool) -> Task:
        """Return what a request asks for; its `tasks` say whether the family can do it."""
        if not has_image:
            return "text_to_image"
        if has_mask:
            return "inpainting"
        return "image_editing" if self.image_editing and not self.image_to_image else "image_to_image"

    @property
    def task_pipelines(self) -> dict[Task, str]:
        """Return the classes for every task but text to image."""
        named: dict[Task, str] = {
            "image_to_image": self.image_to_image,
            "inpainting": self.inpainting,
            "image_editing": self.image_editing,
        }
        return {task: kind for task, kind in named.items() if kind}

    @property
    def is_distilled(self) -> bool:
        """Return whether it is what `distilled` makes."""
        return self.denoiser == "unet" and self.guidance == "embedded"

    def distilled(self) -> Family:
        """Return what it is for a UNet distilled for guidance, as latent consistency models are.

        That reads the scale, and has no rows without the prompt. The pipelines with a ControlNet that start
        from a picture do not know of it, and would give it both rows and no scale.
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
