"""Make tiny random models of each family from the real classes, in folders of some 100 kB."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import transformers
from diffusers import (
    AuraFlowPipeline,
    AuraFlowTransformer2DModel,
    AutoencoderDC,
    AutoencoderKL,
    AutoencoderKLFlux2,
    AutoencoderKLQwenImage,
    ChromaPipeline,
    ChromaTransformer2DModel,
    CogView4Pipeline,
    CogView4Transformer2DModel,
    DDPMScheduler,
    DPMSolverMultistepScheduler,
    EulerDiscreteScheduler,
    FlowMatchEulerDiscreteScheduler,
    Flux2KleinPipeline,
    Flux2Pipeline,
    Flux2Transformer2DModel,
    FluxKontextPipeline,
    FluxPipeline,
    FluxTransformer2DModel,
    HunyuanDiT2DModel,
    HunyuanDiTPipeline,
    KolorsPipeline,
    Lumina2Pipeline,
    Lumina2Transformer2DModel,
    PixArtSigmaPipeline,
    PixArtTransformer2DModel,
    QwenImageEditPipeline,
    QwenImageEditPlusPipeline,
    QwenImagePipeline,
    QwenImageTransformer2DModel,
    SanaPipeline,
    SanaTransformer2DModel,
    SD3Transformer2DModel,
    StableDiffusion3Pipeline,
    UNet2DConditionModel,
    ZImagePipeline,
    ZImageTransformer2DModel,
)
from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil

from tests.support import tiny_tokenizers as tokenizers

WIDTH = 32
"""The width of texts and of most hidden states."""
CHANNELS = 4
"""The channels of the latents; real ones have 4, 16 or 32."""
STRENGTHENED = (
    "norm_q.weight",
    "norm_k.weight",
    "norm_added_k.weight",
    "norm_added_q.weight",
    "to_v.weight",
    "add_v_proj.weight",
)
"""Weights that make attention focus on some words, since nearly all words are padding."""
STRENGTH = {"hunyuan-dit": 1.5}
"""The factors that are not 4: in a deeper network 4 would multiply rounding errors ten-thousandfold."""


def sd3() -> Any:
    first, second, third = tokenizers.clip(), tokenizers.clip(), tokenizers.t5()
    return StableDiffusion3Pipeline(
        transformer=SD3Transformer2DModel(
            sample_size=8,
            patch_size=2,
            in_channels=CHANNELS,
            out_channels=CHANNELS,
            num_layers=2,
            attention_head_dim=8,
            num_attention_heads=4,
            caption_projection_dim=WIDTH,
            joint_attention_dim=2 * WIDTH,
            pooled_projection_dim=2 * WIDTH,
            pos_embed_max_size=32,
        ),
        scheduler=FlowMatchEulerDiscreteScheduler(shift=3.0),
        vae=_vae(shift_factor=0.0609, scaling_factor=1.5305),
        text_encoder=transformers.CLIPTextModelWithProjection(_clip(first)),
        tokenizer=first,
        text_encoder_2=transformers.CLIPTextModelWithProjection(_clip(second)),
        tokenizer_2=second,
        text_encoder_3=transformers.T5EncoderModel(_t5(third, 2 * WIDTH)),
        tokenizer_3=third,
    )


def flux_dev() -> Any:
    return _flux(guidance_embeds=True, scheduler=_dynamic())


def flux_schnell() -> Any:
    return _flux(guidance_embeds=False, scheduler=FlowMatchEulerDiscreteScheduler(shift=1.0))


def flux_kontext() -> Any:
    return _flux(guidance_embeds=True, scheduler=_dynamic(), kind=FluxKontextPipeline)


def _flux(guidance_embeds: bool, scheduler: Any, kind: Any = FluxPipeline) -> Any:
    first, second = tokenizers.clip(), tokenizers.t5()
    return kind(
        scheduler=scheduler,
        vae=_vae(shift_factor=0.1159, scaling_factor=0.3611),
        text_encoder=transformers.CLIPTextModel(_clip(first)),
        tokenizer=first,
        text_encoder_2=transformers.T5EncoderModel(_t5(second)),
        tokenizer_2=second,
        transformer=FluxTransformer2DModel(
            patch_size=1,
            in_channels=4 * CHANNELS,
            num_layers=1,
            num_single_layers=1,
            attention_head_dim=16,
            num_attention_heads=2,
            joint_attention_dim=WIDTH,
            pooled_projection_dim=WIDTH,
            axes_dims_rope=(4, 4, 8),
            guidance_embeds=guidance_embeds,
        ),
    )


def flux2() -> Any:
    """Make a FLUX.2, which reads three layers of its text encoder; the last is the thirtieth."""
    tokenizer = tokenizers.qwen()
    text = {
        "vocab_size": len(tokenizer),
        "hidden_size": 8,
        "intermediate_size": 8,
        "num_hidden_layers": 30,
        "num_attention_heads": 1,
        "num_key_value_heads": 1,
        "head_dim": 8,
        "model_type": "mistral",
    }
    vision = {
        "hidden_size": 8,
        "intermediate_size": 8,
        "num_hidden_layers": 1,
        "num_attention_heads": 1,
        "head_dim": 8,
        "model_type": "pixtral",
    }
    config = transformers.Mistral3Config(text_config=text, vision_config=vision)
    return Flux2Pipeline(
        scheduler=_dynamic(),
        vae=_flux2_vae(),
        text_encoder=transformers.Mistral3ForConditionalGeneration(config),
        tokenizer=tokenizer,
        transformer=_flux2_transformer(guidance_embeds=True),
    )


def flux2_klein() -> Any:
    tokenizer = tokenizers.qwen()
    config = _qwen3(tokenizer, width=8, layers=27)
    return Flux2KleinPipeline(
        scheduler=_dynamic(),
        vae=_flux2_vae(),
        text_encoder=transformers.Qwen3ForCausalLM(config),
        tokenizer=tokenizer,
        transformer=_flux2_transformer(guidance_embeds=False),
        is_distilled=True,
    )


def _flux2_vae() -> AutoencoderKLFlux2:
    return AutoencoderKLFlux2(
        block_out_channels=(4, 4, 4, 4),
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        layers_per_block=1,
        latent_channels=CHANNELS,
        norm_num_groups=2,
        sample_size=64,
    )


def _flux2_transformer(guidance_embeds: bool) -> Flux2Transformer2DModel:
    return Flux2Transformer2DModel(
        patch_size=1,
        in_channels=4 * CHANNELS,
        num_layers=1,
        num_single_layers=1,
        attention_head_dim=16,
        num_attention_heads=2,
        joint_attention_dim=3 * 8,
        timestep_guidance_channels=16,
        axes_dims_rope=(4, 4, 4, 4),
        guidance_embeds=guidance_embeds,
    )


def qwen_image() -> Any:
    return QwenImagePipeline(**_qwen_parts(tokenizers.qwen()))


def qwen_image_edit(plus: bool = False) -> Any:
    """Make an editing model, which cannot be loaded from a folder if torchvision is missing."""
    tokenizer = tokenizers.qwen("<|vision_start|>", "<|vision_end|>", "<|image_pad|>")
    parts = _qwen_parts(tokenizer) | {"processor": PictureProcessor(tokenizer)}
    return (QwenImageEditPlusPipeline if plus else QwenImageEditPipeline)(**parts)


class PictureProcessor(transformers.Qwen2VLProcessor):  # type: ignore[misc]
    """transformers' own processor without its video part, which needs torchvision."""

    def __init__(self, tokenizer: Any) -> None:
        self.tokenizer = tokenizer
        self.image_processor = Qwen2VLImageProcessorPil(patch_size=14, temporal_patch_size=2, merge_size=2)
        self.image_token = "<|image_pad|>"
        self.image_token_id = tokenizer.convert_tokens_to_ids(self.image_token)
        self.video_processor = self.chat_template = self.video_token = self.video_token_id = None


def _qwen_parts(tokenizer: Any) -> dict[str, Any]:
    text = {
        "vocab_size": len(tokenizer),
        "hidden_size": 16,
        "intermediate_size": 16,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "num_key_value_heads": 2,
        "rope_parameters": {"mrope_section": [1, 1, 2], "rope_type": "default", "rope_theta": 1e6},
        "pad_token_id": 0,
        "bos_token_id": 0,
        "eos_token_id": 0,
    }
    vision = {"depth": 1, "hidden_size": 16, "intermediate_size": 16, "num_heads": 2, "out_hidden_size": 16}
    specials = {
        "image_token_id": "<|image_pad|>",
        "vision_start_token_id": "<|vision_start|>",
        "vision_end_token_id": "<|vision_end|>",
    }
    known = tokenizer.get_vocab()
    ids = {name: known[word] for name, word in specials.items() if word in known}
    config = transformers.Qwen2_5_VLConfig(text_config=text, vision_config=vision, **ids)
    return {
        "scheduler": _dynamic(),
        "vae": AutoencoderKLQwenImage(
            base_dim=8,
            z_dim=CHANNELS,
            dim_mult=[1, 1, 1, 1],
            num_res_blocks=1,
            temperal_downsample=[False, True, True],
            latents_mean=[0.1] * CHANNELS,
            latents_std=[1.5] * CHANNELS,
        ),
        "text_encoder": transformers.Qwen2_5_VLForConditionalGeneration(config),
        "tokenizer": tokenizer,
        "transformer": QwenImageTransformer2DModel(
            patch_size=2,
            in_channels=4 * CHANNELS,
            out_channels=CHANNELS,
            num_layers=2,
            attention_head_dim=16,
            num_attention_heads=2,
            joint_attention_dim=16,
            axes_dims_rope=(8, 4, 4),
        ),
    }


def z_image() -> Any:
    tokenizer = tokenizers.qwen()
    transformer = ZImageTransformer2DModel(
        in_channels=CHANNELS,
        dim=WIDTH,
        n_layers=1,
        n_refiner_layers=1,
        n_heads=2,
        n_kv_heads=2,
        cap_feat_dim=16,
        axes_dims=[8, 4, 4],
        axes_lens=[1024, 32, 32],
    )
    return ZImagePipeline(
        scheduler=FlowMatchEulerDiscreteScheduler(shift=3.0),
        vae=_vae(shift_factor=0.1159, scaling_factor=0.3611),
        text_encoder=transformers.Qwen3Model(_qwen3(tokenizer, width=16, layers=2)),
        tokenizer=tokenizer,
        transformer=transformer,
    )


def sana() -> Any:
    """Make a Sana whose autoencoder has six levels, so that its latent factor is 32, like the real one's."""
    tokenizer, levels = tokenizers.gemma(), 6
    return SanaPipeline(
        tokenizer=tokenizer,
        text_encoder=transformers.Gemma2Model(_gemma2(tokenizer)),
        vae=AutoencoderDC(
            latent_channels=CHANNELS,
            attention_head_dim=2,
            encoder_block_types=("ResBlock",) * levels,
            decoder_block_types=("ResBlock",) * levels,
            encoder_block_out_channels=(4,) * levels,
            decoder_block_out_channels=(4,) * levels,
            encoder_qkv_multiscales=((),) * levels,
            decoder_qkv_multiscales=((),) * levels,
            encoder_layers_per_block=(1,) * levels,
            decoder_layers_per_block=(1,) * levels,
            downsample_block_type="conv",
            upsample_block_type="interpolate",
            decoder_norm_types="rms_norm",
            decoder_act_fns="silu",
            scaling_factor=0.41407,
        ),
        transformer=SanaTransformer2DModel(
            patch_size=1,
            in_channels=CHANNELS,
            out_channels=CHANNELS,
            num_layers=1,
            num_attention_heads=2,
            attention_head_dim=8,
            num_cross_attention_heads=2,
            cross_attention_head_dim=8,
            cross_attention_dim=16,
            caption_channels=16,
            sample_size=32,
        ),
        scheduler=DPMSolverMultistepScheduler(
            use_flow_sigmas=True, prediction_type="flow_prediction", flow_shift=3.0
        ),
    )


def pixart_sigma() -> Any:
    tokenizer = tokenizers.t5()
    return PixArtSigmaPipeline(
        tokenizer=tokenizer,
        text_encoder=transformers.T5EncoderModel(_t5(tokenizer)),
        vae=_vae(scaling_factor=0.13025),
        transformer=PixArtTransformer2DModel(
            sample_size=8,
            num_layers=2,
            patch_size=2,
            attention_head_dim=8,
            num_attention_heads=3,
            caption_channels=WIDTH,
            in_channels=CHANNELS,
            cross_attention_dim=24,
            out_channels=2 * CHANNELS,
            use_additional_conditions=False,
        ),
        scheduler=DPMSolverMultistepScheduler(beta_start=0.0001, beta_end=0.02),
    )


def lumina2() -> Any:
    tokenizer = tokenizers.gemma()
    return Lumina2Pipeline(
        transformer=Lumina2Transformer2DModel(
            sample_size=8,
            patch_size=2,
            in_channels=CHANNELS,
            hidden_size=16,
            num_layers=2,
            num_refiner_layers=1,
            num_attention_heads=2,
            num_kv_heads=1,
            multiple_of=16,
            axes_dim_rope=(4, 2, 2),
            axes_lens=(300, 64, 64),
            cap_feat_dim=16,
        ),
        scheduler=FlowMatchEulerDiscreteScheduler(shift=6.0),
        vae=_vae(shift_factor=0.1159, scaling_factor=0.3611),
        text_encoder=transformers.Gemma2Model(_gemma2(tokenizer)),
        tokenizer=tokenizer,
    )


def chroma() -> Any:
    tokenizer = tokenizers.t5()
    return ChromaPipeline(
        scheduler=_dynamic(),
        vae=_vae(shift_factor=0.1159, scaling_factor=0.3611),
        text_encoder=transformers.T5EncoderModel(_t5(tokenizer)),
        tokenizer=tokenizer,
        transformer=ChromaTransformer2DModel(
            patch_size=1,
            in_channels=4 * CHANNELS,
            num_layers=1,
            num_single_layers=1,
            attention_head_dim=16,
            num_attention_heads=2,
            joint_attention_dim=WIDTH,
            axes_dims_rope=(4, 4, 8),
            approximator_num_channels=8,
            approximator_hidden_dim=WIDTH,
            approximator_layers=1,
        ),
    )


def hunyuan_dit() -> Any:
    first, second = tokenizers.bert(), tokenizers.t5(256)
    config = transformers.BertConfig(
        vocab_size=len(first),
        hidden_size=WIDTH,
        intermediate_size=WIDTH,
        num_hidden_layers=1,
        num_attention_heads=2,
        max_position_embeddings=80,
    )
    return HunyuanDiTPipeline(
        vae=_vae(scaling_factor=0.13025),
        text_encoder=transformers.BertModel(config),
        tokenizer=first,
        text_encoder_2=transformers.T5EncoderModel(_t5(second)),
        tokenizer_2=second,
        transformer=HunyuanDiT2DModel(
            sample_size=8,
            num_layers=4,
            patch_size=2,
            attention_head_dim=8,
            num_attention_heads=3,
            in_channels=CHANNELS,
            cross_attention_dim=WIDTH,
            cross_attention_dim_t5=WIDTH,
            pooled_projection_dim=16,
            hidden_size=24,
            activation_fn="gelu-approximate",
            text_len=77,
            text_len_t5=256,
        ),
        scheduler=DDPMScheduler(
            beta_start=0.00085, beta_end=0.018, beta_schedule="scaled_linear", prediction_type="v_prediction"
        ),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )


def auraflow() -> Any:
    tokenizer = tokenizers.llama()
    config = transformers.UMT5Config(
        vocab_size=len(tokenizer), d_model=WIDTH, d_kv=8, d_ff=WIDTH, num_layers=1, num_heads=2
    )
    return AuraFlowPipeline(
        tokenizer=tokenizer,
        text_encoder=transformers.UMT5EncoderModel(config),
        vae=_vae(scaling_factor=0.13025),
        transformer=AuraFlowTransformer2DModel(
            sample_size=8,
            patch_size=2,
            in_channels=CHANNELS,
            out_channels=CHANNELS,
            num_mmdit_layers=1,
            num_single_dit_layers=1,
            attention_head_dim=8,
            num_attention_heads=4,
            caption_projection_dim=WIDTH,
            joint_attention_dim=WIDTH,
            pos_embed_max_size=256,
        ),
        scheduler=FlowMatchEulerDiscreteScheduler(shift=1.73),
    )


def cogview4() -> Any:
    tokenizer = tokenizers.glm()
    config = transformers.GlmConfig(
        vocab_size=len(tokenizer),
        hidden_size=16,
        intermediate_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=1,
        head_dim=8,
        pad_token_id=0,
        eos_token_id=0,
    )
    return CogView4Pipeline(
        tokenizer=tokenizer,
        text_encoder=transformers.GlmModel(config),
        vae=_vae(),
        transformer=CogView4Transformer2DModel(
            patch_size=2,
            in_channels=CHANNELS,
            out_channels=CHANNELS,
            num_layers=2,
            attention_head_dim=8,
            num_attention_heads=4,
            text_embed_dim=16,
            time_embed_dim=8,
            condition_dim=4,
            sample_size=8,
        ),
        scheduler=FlowMatchEulerDiscreteScheduler(
            base_shift=0.25,
            max_shift=0.75,
            base_image_seq_len=256,
            use_dynamic_shifting=True,
            time_shift_type="linear",
        ),
    )


def kolors() -> Any:
    from diffusers.pipelines.kolors import ChatGLMModel
    from diffusers.pipelines.kolors.text_encoder import ChatGLMConfig

    tokenizer, sizes = tokenizers.chat_glm(), 8
    config = ChatGLMConfig(
        num_layers=2,
        padded_vocab_size=256,
        hidden_size=16,
        ffn_hidden_size=16,
        kv_channels=8,
        num_attention_heads=2,
        seq_length=256,
        multi_query_attention=True,
        multi_query_group_num=1,
        add_qkv_bias=True,
        original_rope=True,
    )
    text_encoder = ChatGLMModel(config)
    with torch.no_grad():
        for weights in text_encoder.parameters():  # Its class leaves all of them uninitialised.
            weights.normal_(std=0.3) if weights.ndim > 1 else weights.fill_(1.0)
    return KolorsPipeline(
        vae=_vae(scaling_factor=0.13025),
        text_encoder=text_encoder,
        tokenizer=tokenizer,
        unet=UNet2DConditionModel(
            block_out_channels=(8, 16),
            layers_per_block=1,
            sample_size=8,
            in_channels=CHANNELS,
            out_channels=CHANNELS,
            down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
            up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
            attention_head_dim=(2, 4),
            use_linear_projection=True,
            cross_attention_dim=24,
            encoder_hid_dim=16,
            encoder_hid_dim_type="text_proj",
            addition_embed_type="text_time",
            addition_time_embed_dim=sizes,
            projection_class_embeddings_input_dim=16 + 6 * sizes,
            norm_num_groups=4,
        ),
        scheduler=EulerDiscreteScheduler(
            beta_start=0.00085,
            beta_end=0.014,
            beta_schedule="scaled_linear",
            steps_offset=1,
            timestep_spacing="leading",
        ),
    )


TINY: dict[str, Callable[[], Any]] = {
    "sd3": sd3,
    "flux-dev": flux_dev,
    "flux-schnell": flux_schnell,
    "flux-kontext": flux_kontext,
    "flux2": flux2,
    "flux2-klein": flux2_klein,
    "qwen-image": qwen_image,
    "z-image": z_image,
    "sana": sana,
    "pixart-sigma": pixart_sigma,
    "lumina2": lumina2,
    "chroma": chroma,
    "hunyuan-dit": hunyuan_dit,
    "kolors": kolors,
    "auraflow": auraflow,
    "cogview4": cogview4,
}
"""Functions that make the models, keyed by the family names in deployments/diffusion/model/."""


def save(name: str, folder: Path) -> Path:
    """Make the tiny model of a family, with the same weights every time, and save it."""
    filled(name, TINY[name]).save_pretrained(folder)
    return folder


def filled(name: str, make: Callable[[], Any]) -> Any:
    """Make a tiny model with the same weights every time."""
    torch.manual_seed(sum(name.encode()))
    pipeline = make()
    for component in pipeline.components.values():
        if isinstance(component, torch.nn.Module):
            _fill(component, STRENGTH.get(name, 4))
    return pipeline


@torch.no_grad()
def _fill(network: torch.nn.Module, strength: float) -> None:
    """Initialise weights that the class leaves empty or zero, and make the prompt matter in the picture."""
    for name, weights in network.named_parameters():
        if not weights.isfinite().all() or not weights.any():
            weights.normal_(std=0.2)
        elif name.endswith("embed_tokens.weight"):
            weights.normal_()
        elif name.endswith(STRENGTHENED):
            weights.mul_(strength)


def _vae(**changes: Any) -> AutoencoderKL:
    """Make an autoencoder of four levels, so that its latent factor is 8, like the real ones'."""
    return AutoencoderKL(
        block_out_channels=(8, 8, 8, 8),
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        latent_channels=CHANNELS,
        norm_num_groups=4,
        sample_size=64,
        **changes,
    )


def _dynamic() -> FlowMatchEulerDiscreteScheduler:
    """Make a scheduler whose shift the pipeline derives from the picture's size."""
    return FlowMatchEulerDiscreteScheduler(
        shift=3.0, use_dynamic_shifting=True, base_shift=0.5, max_shift=1.15, base_image_seq_len=256
    )


def _clip(tokenizer: Any) -> transformers.CLIPTextConfig:
    return transformers.CLIPTextConfig(
        vocab_size=len(tokenizer),
        hidden_size=WIDTH,
        intermediate_size=WIDTH,
        projection_dim=WIDTH,
        num_hidden_layers=2,
        num_attention_heads=4,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )


def _t5(tokenizer: Any, width: int = WIDTH) -> transformers.T5Config:
    return transformers.T5Config(
        vocab_size=len(tokenizer), d_model=width, d_kv=8, d_ff=WIDTH, num_layers=1, num_heads=2
    )


def _gemma2(tokenizer: Any) -> transformers.Gemma2Config:
    return transformers.Gemma2Config(
        vocab_size=len(tokenizer),
        hidden_size=16,
        intermediate_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=1,
        head_dim=8,
    )


def _qwen3(tokenizer: Any, width: int, layers: int) -> transformers.Qwen3Config:
    return transformers.Qwen3Config(
        vocab_size=len(tokenizer),
        hidden_size=width,
        intermediate_size=width,
        num_hidden_layers=layers,
        num_attention_heads=1,
        num_key_value_heads=1,
        head_dim=8,
        pad_token_id=0,
        bos_token_id=0,
        eos_token_id=0,
    )
