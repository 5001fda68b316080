from __future__ import annotations

import pytest

from deployments.diffusion.model.checkpoint import Sampling, own_size, pipeline_class, sampling
from deployments.diffusion.model.safetensors_header import Header
from deployments.errors import ModelUnusable

UNET_IN, UNET_OUT = "model.diffusion_model.input_blocks.0.0.weight", "model.diffusion_model.out.2.weight"
SD, XL = "cond_stage_model.transformer.x", "conditioner.embedders.1.model.x"


def header(*names: str, **metadata: str) -> Header:
    return Header(dict.fromkeys(names, (1,)), metadata)


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (header(), Sampling()),
        (header("v_pred"), Sampling("v_prediction")),
        (header("v_pred", "ztsnr"), Sampling("v_prediction", zero_snr=True)),
        (header("edm_mean"), Sampling(edm=True)),
        (header("edm_vpred.sigma_max"), Sampling(edm=True)),
        (header(**{"modelspec.prediction_type": "v"}), Sampling("v_prediction")),
        (header(**{"modelspec.prediction_type": "v-prediction"}), Sampling("v_prediction")),
        (header(**{"modelspec.prediction_type": "V_Prediction "}), Sampling("v_prediction")),
        (header(**{"modelspec.prediction_type": "epsilon"}), Sampling("epsilon")),
        (header(**{"modelspec.prediction_type": "something new"}), Sampling()),
        (header(**{"modelspec.architecture": "stable-diffusion-v2-768-v"}), Sampling("v_prediction")),
        (header(**{"modelspec.architecture": "stable-diffusion-v2-512"}), Sampling("epsilon")),
        (header(**{"modelspec.architecture": "stable-diffusion-xl-v1-base"}), Sampling()),
        (header(ss_v_parameterization="True"), Sampling("v_prediction")),
        (header(ss_v_parameterization="true", ss_v2="True"), Sampling("v_prediction")),
        (header(ss_v_parameterization="False"), Sampling("epsilon")),
        (header(ss_v_parameterization="False", ss_v2="True"), Sampling("epsilon")),
        (header(ss_v_parameterization="None"), Sampling()),
        (header(ss_v2="True"), Sampling()),
        (header(ss_base_model_version="sd_v2_v"), Sampling("v_prediction")),
        (header(ss_base_model_version="sd_v2"), Sampling("epsilon")),
        (header(ss_base_model_version="sd_v1"), Sampling("epsilon")),
        (header(ss_base_model_version="sdxl_base_v1-0"), Sampling()),
        (header(parameterization="v"), Sampling("v_prediction")),
        (header(ss_parameterization="v"), Sampling("v_prediction")),
        (header(**{"modelspec.parameterization": "V"}), Sampling("v_prediction")),
        (header(parameterization="eps"), Sampling("epsilon")),
        (header(ss_prediction_type="v_parameterization"), Sampling("v_prediction")),
        (header(**{"modelspec.prediction_type": "eps-prediction"}), Sampling("epsilon")),
        (
            header(ss_base_model_version="sd_v2", **{"modelspec.prediction_type": "v"}),
            Sampling("v_prediction"),
        ),
        (header(prediction_type="v_prediction"), Sampling("v_prediction")),
        (header(ss_v_parameterization="1", ss_zero_terminal_snr="True"), Sampling("v_prediction", True)),
        (header("v_pred", **{"modelspec.prediction_type": "epsilon"}), Sampling("v_prediction")),
    ],
)
def test_how_a_checkpoint_says_it_is_sampled(found: Header, expected: Sampling) -> None:
    assert sampling(found) == expected


@pytest.mark.parametrize(
    ("reads", "task"), [(9, "inpainting"), (8, "InstructPix2Pix"), (7, "upscaling"), (5, "depth to image")]
)
@pytest.mark.parametrize("family", [SD, XL])
def test_a_checkpoint_for_another_task(reads: int, task: str, family: str) -> None:
    found = Header({UNET_IN: (320, reads, 3, 3), UNET_OUT: (4, 320, 3, 3), family: (1,)}, {})
    with pytest.raises(
        ModelUnusable, match=rf"^dragons.safetensors is for .*{task}.* reads {reads} channels"
    ):
        pipeline_class(found, "dragons.safetensors")


def test_channels_that_belong_to_no_task() -> None:
    found = Header({UNET_IN: (320, 4, 3, 3), UNET_OUT: (8, 320, 3, 3), SD: (1,)}, {})
    with pytest.raises(
        ModelUnusable, match="reads 4 channels and writes 8, and the latents of its VAE have 4"
    ):
        pipeline_class(found, "dragons.safetensors")


def test_class_labels_are_not_words() -> None:
    found = header(UNET_IN, SD, "model.diffusion_model.label_emb.0.0.weight")
    with pytest.raises(ModelUnusable, match="needs class labels"):
        pipeline_class(found, "upscaler.safetensors")


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("lora_unet_mid_block.lora_down.weight", "a LoRA"),
        ("double_blocks.0.img_attn.proj.weight", "a Flux model"),
        ("model.diffusion_model.joint_blocks.0.x", "a Stable Diffusion 3 model"),
        ("control_model.time_embed.0.weight", "a ControlNet"),
        ("conditioner.embedders.0.model.x", "the refiner of Stable Diffusion XL"),
        (UNET_IN, "a UNet without its text encoder and VAE"),
        ("decoder.conv_in.weight", "a VAE alone"),
        ("text_model.embeddings.x", "a text encoder alone"),
        ("emb_params", "an embedding"),
    ],
)
def test_what_a_file_is_that_is_no_checkpoint(name: str, kind: str) -> None:
    with pytest.raises(ModelUnusable, match=f"is not a complete .* checkpoint: it is {kind}$"):
        pipeline_class(header(name), "dragons.safetensors")


@pytest.mark.parametrize(
    ("says", "size"),
    [("768x768", (768, 768)), ("1024", (1024, 1024)), ("832x1216", (832, 1216)), ("", None), ("0x0", None)]
    + [(nonsense, None) for nonsense in ("1x2x3", "large", "99999x99999", "1001x1001", "-64x64")],
)
def test_the_size_it_was_trained_at(says: str, size: tuple[int, int] | None) -> None:
    assert own_size(header(**{"modelspec.resolution": says})) == size
