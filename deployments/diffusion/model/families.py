"""List the families of text-to-image models: how each is called, and what its requests get by default.

A family follows from diffusers' pipeline class and the configuration of the denoiser. Steps, guidance and
sizes are those of the models' own cards; docs/models.md lists them. This module needs no torch.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Guidance = Literal["classifier_free", "embedded", "none"]
HalfPrecision = Literal["float16", "bfloat16"]
Task = Literal["text_to_image", "image_to_image", "inpainting", "image_editing"]
ModelTask = Literal[Task, "references", "pose", "loras"]
"""All that a model can be asked for. The last three go together with each other and with each Task."""


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
    def takes_negative_prompt(self) -> bool:
        return self.guidance == "classifier_free" and self.negative_prompt

    @property
    def takes_guidance_scale(self) -> bool:
        return self.guidance != "none"


STABLE_DIFFUSION: dict[str, Any] = {
    "denoiser": "unet",
    "num_inference_steps": 25,
    "guidance_scale": 7.5,
    "prompt_tokens": 77,
    "prediction": "scheduler",
    "native_size": (512, 512),
    "size_from": "denoiser",
    "patch": 1,
    "half": "float16",
    "quality_terms": True,
    "ip_adapter": True,
}
WITH_CONTROLNET: dict[Task, str] = {
    "text_to_image": "StableDiffusionControlNetPipeline",
    "image_to_image": "StableDiffusionControlNetImg2ImgPipeline",
    "inpainting": "StableDiffusionControlNetInpaintPipeline",
}
XL_WITH_CONTROLNET: dict[Task, str] = {
    "text_to_image": "StableDiffusionXLControlNetPipeline",
    "image_to_image": "StableDiffusionXLControlNetImg2ImgPipeline",
    "inpainting": "StableDiffusionXLControlNetInpaintPipeline",
}
READS_512: dict[str, Any] = {"prompt_tokens": 512, "arguments": {"max_sequence_length": 512}}
EDITS_BY_QWEN: dict[str, Any] = {
    "from_words": False,
    "guided_calls": 2,
    "num_inference_steps": 50,
    "guidance_scale": 4.0,
    "guidance_argument": "true_cfg_scale",
    "no_negative_prompt": " ",
    "prompt_tokens": 1024,
    "arguments": {"max_sequence_length": 1024},
    "row_lists": frozenset({"img_shapes", "txt_seq_lens"}),
    "packed": True,
}
IN_ITS_SIZE = {"use_resolution_binning": False}
"""Else the pipeline paints in the nearest size that it was trained in, and scales the picture."""

FAMILIES: tuple[Family, ...] = (
    Family(
        name="sd2",
        title="Stable Diffusion 2",
        pipelines=("StableDiffusionPipeline",),
        image_to_image="StableDiffusionImg2ImgPipeline",
        inpainting="StableDiffusionInpaintPipeline",
        controlled=WITH_CONTROLNET,
        config={"cross_attention_dim": 1024},
        **STABLE_DIFFUSION,
    ),
    Family(
        name="sd1",
        title="Stable Diffusion 1",
        pipelines=("StableDiffusionPipeline",),
        image_to_image="StableDiffusionImg2ImgPipeline",
        inpainting="StableDiffusionInpaintPipeline",
        controlled=WITH_CONTROLNET,
        **STABLE_DIFFUSION,
    ),
    Family(
        name="sdxl",
        title="Stable Diffusion XL",
        pipelines=("StableDiffusionXLPipeline",),
        image_to_image="StableDiffusionXLImg2ImgPipeline",
        inpainting="StableDiffusionXLInpaintPipeline",
        controlled=XL_WITH_CONTROLNET,
        **STABLE_DIFFUSION | {"native_size": (1024, 1024)},
    ),
    Family(
        name="sd3",
        title="Stable Diffusion 3 and 3.5",
        pipelines=("StableDiffusion3Pipeline",),
        image_to_image="StableDiffusion3Img2ImgPipeline",
        inpainting="StableDiffusion3InpaintPipeline",
        num_inference_steps=28,
        guidance_scale=4.5,
        size_from="denoiser",
        **READS_512,
    ),
    Family(
        name="flux-dev",
        title="FLUX.1 [dev]",
        pipelines=("FluxPipeline",),
        image_to_image="FluxImg2ImgPipeline",
        inpainting="FluxInpaintPipeline",
        config={"guidance_embeds": True},
        guidance="embedded",
        num_inference_steps=28,
        guidance_scale=3.5,
        shared=frozenset({"img_ids", "txt_ids"}),
        packed=True,
        **READS_512,
    ),
    Family(
        name="flux-schnell",
        title="FLUX.1 [schnell]",
        pipelines=("FluxPipeline",),
        image_to_image="FluxImg2ImgPipeline",
        inpainting="FluxInpaintPipeline",
        guidance="none",
        num_inference_steps=4,
        guidance_scale=0.0,
        prompt_tokens=256,
        arguments={"max_sequence_length": 256},
        shared=frozenset({"img_ids", "txt_ids"}),
        packed=True,
    ),
    Family(
        name="flux-kontext",
        title="FLUX.1 Kontext [dev]",
        pipelines=("FluxKontextPipeline",),
        image_editing="FluxKontextPipeline",
        inpainting="FluxKontextInpaintPipeline",
        masked_reference_argument="image_reference",
        area_argument="max_area",
        guidance="embedded",
        num_inference_steps=28,
        guidance_scale=2.5,
        shared=frozenset({"img_ids", "txt_ids"}),
        packed=True,
        **READS_512,
    ),
    Family(
        name="flux2",
        title="FLUX.2 [dev]",
        pipelines=("Flux2Pipeline",),
        image_editing="Flux2Pipeline",
        reference_argument="image",
        guidance="embedded",
        num_inference_steps=50,
        guidance_scale=4.0,
        shared=frozenset({"img_ids", "txt_ids"}),
        packed=True,
        **READS_512,
    ),
    Family(
        name="flux2-klein",
        title="FLUX.2 [klein]",
        pipelines=("Flux2KleinPipeline",),
        image_editing="Flux2KleinPipeline",
        inpainting="Flux2KleinInpaintPipeline",
        reference_argument="image",
        masked_reference_argument="image_reference",
        index={"is_distilled": True},
        guidance="none",
        num_inference_steps=4,
        guidance_scale=1.0,
        shared=frozenset({"img_ids", "txt_ids"}),
        packed=True,
        **READS_512,
    ),
    Family(
        name="flux2-klein-base",
        title="FLUX.2 [klein] Base",
        pipelines=("Flux2KleinPipeline",),
        image_editing="Flux2KleinPipeline",
        inpainting="Flux2KleinInpaintPipeline",
        reference_argument="image",
        masked_reference_argument="image_reference",
        negative_prompt=False,
        guided_calls=2,
        num_inference_steps=50,
        guidance_scale=4.0,
        shared=frozenset({"img_ids", "txt_ids"}),
        packed=True,
        **READS_512,
    ),
    Family(
        name="qwen-image",
        title="Qwen-Image",
        pipelines=("QwenImagePipeline",),
        guided_calls=2,
        image_to_image="QwenImageImg2ImgPipeline",
        inpainting="QwenImageInpaintPipeline",
        num_inference_steps=50,
        guidance_scale=4.0,
        guidance_argument="true_cfg_scale",
        no_negative_prompt=" ",
        prompt_tokens=1024,
        arguments={"max_sequence_length": 1024},
        row_lists=frozenset({"img_shapes", "txt_seq_lens"}),
        packed=True,
    ),
    Family(
        name="qwen-image-edit",
        title="Qwen-Image-Edit",
        pipelines=("QwenImageEditPipeline",),
        image_editing="QwenImageEditPipeline",
        **EDITS_BY_QWEN,
    ),
    Family(
        name="qwen-image-edit-plus",
        title="Qwen-Image-Edit 2509 and later",
        pipelines=("QwenImageEditPlusPipeline",),
        image_editing="QwenImageEditPlusPipeline",
        reference_argument="image",
        **EDITS_BY_QWEN | {"num_inference_steps": 40},
    ),
    Family(
        name="z-image-turbo",
        title="Z-Image-Turbo",
        pipelines=("ZImagePipeline",),
        image_to_image="ZImageImg2ImgPipeline",
        inpainting="ZImageInpaintPipeline",
        named="turbo",
        guidance="none",
        num_inference_steps=9,
        guidance_scale=0.0,
        row_lists=frozenset({"x", "cap_feats"}),
        **READS_512,
    ),
    Family(
        name="z-image",
        title="Z-Image",
        pipelines=("ZImagePipeline",),
        image_to_image="ZImageImg2ImgPipeline",
        inpainting="ZImageInpaintPipeline",
        guided_above=0.0,
        prompt_first=True,
        num_inference_steps=50,
        guidance_scale=4.0,
        row_lists=frozenset({"x", "cap_feats"}),
        **READS_512,
    ),
    Family(
        name="sana",
        title="Sana",
        pipelines=("SanaPipeline",),
        num_inference_steps=20,
        guidance_scale=4.5,
        prompt_tokens=300,
        arguments=IN_ITS_SIZE,
        size_from="denoiser",
        patch=1,
        vae_factor=32,
    ),
    Family(
        name="pixart-sigma",
        title="PixArt-Sigma",
        takes_loras=False,
        pipelines=("PixArtSigmaPipeline",),
        num_inference_steps=20,
        guidance_scale=4.5,
        prompt_tokens=300,
        arguments=IN_ITS_SIZE | {"clean_caption": False},
        prediction="scheduler",
        size_from="denoiser",
        half="float16",
    ),
    Family(
        name="lumina2",
        title="Lumina-Image 2.0",
        pipelines=("Lumina2Pipeline",),
        guided_calls=2,
        num_inference_steps=50,
        guidance_scale=4.0,
        prompt_tokens=256,
        arguments={"max_sequence_length": 256, "cfg_trunc_ratio": 0.25},
        size_from="denoiser",
    ),
    Family(
        name="chroma",
        title="Chroma",
        pipelines=("ChromaPipeline",),
        guided_calls=2,
        image_to_image="ChromaImg2ImgPipeline",
        num_inference_steps=40,
        guidance_scale=3.0,
        shared=frozenset({"img_ids", "txt_ids"}),
        packed=True,
        **READS_512,
    ),
    Family(
        name="hunyuan-dit",
        title="HunyuanDiT",
        takes_loras=False,
        pipelines=("HunyuanDiTPipeline",),
        num_inference_steps=50,
        guidance_scale=5.0,
        prompt_tokens=256,
        arguments=IN_ITS_SIZE,
        shared=frozenset({"image_rotary_emb"}),
        prediction="scheduler",
        size_from="denoiser",
        half="float16",
    ),
    Family(
        name="kolors",
        title="Kolors",
        pipelines=("KolorsPipeline",),
        image_to_image="KolorsImg2ImgPipeline",
        denoiser="unet",
        num_inference_steps=50,
        guidance_scale=5.0,
        prompt_tokens=256,
        prediction="scheduler",
        size_from="denoiser",
        patch=1,
        half="float16",
    ),
    Family(
        name="auraflow",
        title="AuraFlow",
        pipelines=("AuraFlowPipeline",),
        num_inference_steps=50,
        guidance_scale=3.5,
        prompt_tokens=256,
    ),
    Family(
        name="cogview4",
        title="CogView4",
        pipelines=("CogView4Pipeline",),
        guided_calls=2,
        num_inference_steps=50,
        guidance_scale=3.5,
        prompt_tokens=1024,
        arguments={"max_sequence_length": 1024},
    ),
)

UNKNOWN = Family(
    name="unknown",
    title="a model that is not on this machine yet",
    pipelines=(),
    **STABLE_DIFFUSION | {"ip_adapter": False},
)
"""The family assumed of a hub id for which none is configured."""

STABLE_DIFFUSION_PIPELINES = frozenset({"StableDiffusionPipeline", "StableDiffusionXLPipeline"})
PIPELINES = frozenset(pipeline for family in FAMILIES for pipeline in family.pipelines)
"""The classes of diffusers that are served."""


def detect(index: Mapping[str, Any], denoiser: Mapping[str, Any], name: str = "") -> Family | None:
    """Return the family of a model by its model_index.json, its denoiser's config.json and its name."""

    def fits(family: Family) -> bool:
        return (
            index.get("_class_name") in family.pipelines
            and all(index.get(key) == value for key, value in family.index.items())
            and all(denoiser.get(key) == value for key, value in family.config.items())
            and family.named in name.lower()
        )

    return next(filter(fits, FAMILIES), None)


def family_of(pipeline: str) -> Family:
    """Return the first family of this pipeline class, in whose classes and parts they are all alike."""
    return next((family for family in FAMILIES if pipeline in family.pipelines), UNKNOWN)


def family_of_pipeline(pipeline: Any) -> Family:
    """Return the family of a loaded pipeline, by its class and its configuration."""
    kind = type(pipeline).__name__
    denoiser = getattr(pipeline, family_of(kind).denoiser, None)
    index = {**getattr(pipeline, "config", {}), "_class_name": kind}
    return detect(index, getattr(denoiser, "config", {})) or family_of(kind)


def family_named(name: str) -> Family:
    """Return the family of this name. Raises ValueError with the names that there are."""
    for family in FAMILIES:
        if family.name == name:
            return family
    raise ValueError(f"there is no family {name!r}: known are {', '.join(each.name for each in FAMILIES)}")
