"""List the families of models whose denoiser is a UNet.

Steps, guidance and sizes are those of the models' own cards; docs/models.md lists them.
"""

from __future__ import annotations

from typing import Any

from deployments.diffusion.model.family import Family, Task

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

UNET_FAMILIES: tuple[Family, ...] = (
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
)

UNKNOWN = Family(
    name="unknown",
    title="a model that is not on this machine yet",
    pipelines=(),
    **STABLE_DIFFUSION | {"ip_adapter": False},
)
"""The family assumed for a hub id for which none is configured."""
