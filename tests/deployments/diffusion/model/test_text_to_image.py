from __future__ import annotations

from typing import Any

import pytest

from deployments.diffusion.model.text_to_image import check_parts
from deployments.errors import ModelUnusable

SD1: dict[str, Any] = {"in_channels": 4, "out_channels": 4, "cross_attention_dim": 768}
XL: dict[str, Any] = SD1 | {
    "cross_attention_dim": 2048,
    "addition_embed_type": "text_time",
    "addition_time_embed_dim": 256,
    "projection_class_embeddings_input_dim": 2816,
}
CLIP, OPEN_CLIP = {"hidden_size": 768}, {"hidden_size": 1280, "projection_dim": 1280}
VAE = {"latent_channels": 4}


def refusal(unet: dict[str, Any], vae: dict[str, Any], *encoders: dict[str, Any]) -> str:
    with pytest.raises(ModelUnusable) as raised:
        check_parts(unet, vae, encoders, "dragons")
    return raised.value.message


def test_the_families_pass() -> None:
    check_parts(SD1, VAE, [CLIP], "sd1")
    check_parts(SD1 | {"cross_attention_dim": 1024}, {}, [{"hidden_size": 1024}], "sd2")
    check_parts(XL, VAE, [CLIP, OPEN_CLIP], "sdxl")
    check_parts({"in_channels": 24, "out_channels": 24}, {"latent_channels": 24}, [{}], "of another VAE")


@pytest.mark.parametrize(
    ("reads", "task"), [(9, "inpainting"), (8, "InstructPix2Pix"), (7, "upscaling"), (5, "depth to image")]
)
def test_another_task(reads: int, task: str) -> None:
    message = refusal(SD1 | {"in_channels": reads}, VAE, CLIP)
    assert task in message and f"reads {reads} channels where text to image has 4" in message


def test_inpainting_of_latents_with_more_channels() -> None:
    message = refusal({"in_channels": 33, "out_channels": 16}, {"latent_channels": 16}, {})
    assert "is for inpainting" in message and "reads 33 channels where text to image has 16" in message


@pytest.mark.parametrize(
    ("unet", "vae", "encoders", "why"),
    [
        (SD1, {"latent_channels": 16}, [CLIP], "the latents of its VAE have 16"),
        (SD1 | {"out_channels": 8}, VAE, [CLIP], "writes 8"),
        (SD1 | {"num_class_embeds": 1000}, VAE, [CLIP], "needs class labels"),
        (SD1 | {"class_embed_type": "projection"}, VAE, [CLIP], "needs class labels"),
        (SD1, VAE, [{"hidden_size": 1024}], "reads text of width 768, but its text encoder writes 1024"),
        (SD1, VAE, [CLIP, OPEN_CLIP], "different families"),
        (XL, VAE, [CLIP], "different families"),
        (XL, VAE, [CLIP, {"hidden_size": 1024}], "of width 2048, but its text encoder writes 768 + 1024"),
        (
            XL | {"projection_class_embeddings_input_dim": 2560},
            VAE,
            [CLIP, OPEN_CLIP],
            "is not that of a Stable Diffusion XL base model",
        ),
    ],
)
def test_parts_that_do_not_paint_together(
    unet: dict[str, Any], vae: dict[str, Any], encoders: list[dict[str, Any]], why: str
) -> None:
    message = refusal(unet, vae, *encoders)
    assert message.startswith("dragons") and why in message
