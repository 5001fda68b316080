"""A diffusers pipeline behind the Painter's interface: prompts in, pixels out, one request a call."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from deployments.diffusion.config import ModelConfig
from deployments.diffusion.loader import load, unload
from deployments.diffusion.painter import OnStep, Painted, PaintRequest
from deployments.diffusion.registry import describe
from deployments.errors import NotReady, OutOfMemory
from deployments.messages import Backend, Pixels

EMBEDDINGS = (
    "prompt_embeds",
    "negative_prompt_embeds",
    "pooled_prompt_embeds",
    "negative_pooled_prompt_embeds",
)


class Denoiser:
    """Owns one pipeline; `paint` runs it as stock diffusers does, so a seed's picture is diffusers' own."""

    backend: Backend = "diffusers"

    def __init__(self, config: ModelConfig) -> None:
        self._config = config
        card = describe(config.source)
        self.model = card.id
        self.native_size = card.native_size
        self.latent_factor = card.latent_factor
        self._pipeline: Any = None

    @property
    def loaded(self) -> bool:
        return self._pipeline is not None

    def load(self) -> None:
        """Idempotent. Raises NotReady with a reason that names the file at fault."""
        if self._pipeline is None:
            self._pipeline = load(self._config)

    def unload(self) -> None:
        if self._pipeline is not None:
            unload(self._pipeline)
            self._pipeline = None

    @torch.inference_mode()
    def paint(self, request: PaintRequest, on_step: OnStep) -> Painted:
        """Raises OutOfMemory where the device has no room, and whatever `on_step` raises."""
        if self._pipeline is None:
            raise NotReady("the model is not loaded")
        try:
            return self._paint(self._pipeline, request, on_step)
        except RuntimeError as error:
            if not _is_out_of_memory(error):
                raise
        # Only here, where the error and the tensors in its frames are gone: https://pytorch.org/docs/stable/notes/faq.html
        self._pipeline.maybe_free_model_hooks()
        torch.cuda.empty_cache()
        raise OutOfMemory("the device ran out of memory painting this picture")

    def _paint(self, pipeline: Any, request: PaintRequest, on_step: OnStep) -> Painted:
        started = time.perf_counter()
        embeddings = _encode(pipeline, request)
        encoded = last_step = time.perf_counter()

        # Some solvers (PNDM, Heun) take more steps than were asked for, and the pipeline knows how many.
        def after_step(stepping: Any, step: int, _: Any, kept: dict[str, Any]) -> dict[str, Any]:
            nonlocal last_step
            last_step = time.perf_counter()
            on_step(step + 1, stepping.num_timesteps)
            return kept

        images = pipeline(
            **embeddings,
            num_inference_steps=request.num_inference_steps,
            guidance_scale=request.guidance_scale,
            width=request.width_px,
            height=request.height_px,
            # A generator on the CPU draws the same noise whatever the device.
            generator=torch.Generator("cpu").manual_seed(request.seed),
            output_type="np",
            callback_on_step_end=after_step,
        ).images
        return Painted(
            _to_uint8(images[0]),
            encode_ms=1e3 * (encoded - started),
            denoise_ms=1e3 * (last_step - encoded),
            decode_ms=1e3 * (time.perf_counter() - last_step),
            warnings=_truncations(pipeline, request),
            sampler=type(pipeline.scheduler).__name__.removesuffix("Scheduler"),
        )


def _encode(pipeline: Any, request: PaintRequest) -> dict[str, Any]:
    """The pipeline's own text encoding, called apart so that it can be timed; names are the pipeline's."""
    guided = request.guidance_scale > 1
    encoded = pipeline.encode_prompt(
        prompt=request.prompt,
        negative_prompt=request.negative_prompt,
        device=pipeline._execution_device,
        num_images_per_prompt=1,
        do_classifier_free_guidance=guided,
    )
    return dict(zip(EMBEDDINGS, encoded, strict=False))


def _truncations(pipeline: Any, request: PaintRequest) -> tuple[str, ...]:
    tokenizer = pipeline.tokenizer
    room = tokenizer.model_max_length
    read = ("prompt", "negative_prompt") if request.guidance_scale > 1 else ("prompt",)
    return tuple(
        f"{name} is {length} tokens long; the model reads the first {room}"
        for name in read
        if (length := len(tokenizer(getattr(request, name)).input_ids)) > room
    )


def _is_out_of_memory(error: RuntimeError) -> bool:
    """On the CPU torch has no class for it."""
    return isinstance(error, torch.OutOfMemoryError) or "can't allocate memory" in str(error)


def _to_uint8(image: NDArray[np.floating[Any]]) -> Pixels:
    """Unit floats to bytes. NaN becomes black, which the quality check refuses; numpy alone keeps quiet."""
    pixels: Pixels = (np.nan_to_num(image, nan=0.0) * 255).round().astype(np.uint8)
    return pixels
