"""Encode prompts for the UNet by the pipeline's own encoding, and keep the results for later requests."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import Any

from deployments.diffusion.model.families import family_of_pipeline
from deployments.diffusion.painter import PaintRequest

Tensor = Any
"""A torch.Tensor. This module only holds tensors and passes them on, so it needs no torch."""


@dataclass(frozen=True)
class Row:
    """The encoded prompt of one row of a forward: `text` (1, tokens, width).

    `pooled` (1, width) and `sizes` (1, 6) are Stable Diffusion XL's added conditions, None in other models.
    """

    text: Tensor
    pooled: Tensor | None = None
    sizes: Tensor | None = None


class Encoder:
    """Encode prompts, and keep the last `capacity`: callers request a scene again with other seeds."""

    def __init__(self, pipeline: Any, capacity: int) -> None:
        self._pipeline = pipeline
        self._capacity = capacity
        self._texts: OrderedDict[tuple[str, str | None, bool], tuple[Tensor, ...]] = OrderedDict()

    def rows(self, request: PaintRequest, guided: bool) -> list[Row]:
        """Return the row without the prompt, if there is guidance, and the row with it."""
        text, without, *pooled = self._encode(request, guided)
        sizes = self._sizes(request, text) if pooled else None
        with_prompt = Row(text, pooled[0] if pooled else None, sizes)
        return [Row(without, pooled[1] if pooled else None, sizes), with_prompt] if guided else [with_prompt]

    def _encode(self, request: PaintRequest, guided: bool) -> tuple[Tensor, ...]:
        """Encode in the pipeline's order: prompt, negative prompt, and for XL the pooled of each."""
        key = (request.prompt, request.negative_prompt if guided else None, guided)
        if key in self._texts:
            self._texts.move_to_end(key)
            return self._texts[key]
        encoded = tuple(
            self._pipeline.encode_prompt(
                prompt=request.prompt,
                negative_prompt=request.negative_prompt,
                device=self._pipeline._execution_device,
                num_images_per_prompt=1,
                do_classifier_free_guidance=guided,
            )
        )
        self._texts[key] = encoded
        while len(self._texts) > self._capacity:
            self._texts.popitem(last=False)
        return encoded

    def _sizes(self, request: PaintRequest, text: Tensor) -> Tensor:
        size = (request.height_px, request.width_px)
        width = self._pipeline.text_encoder_2.config.projection_dim
        sizes = self._pipeline._get_add_time_ids(
            size, (0, 0), size, dtype=text.dtype, text_encoder_projection_dim=width
        )
        return sizes.to(self._pipeline._execution_device)


def truncations(pipeline: Any, request: PaintRequest, guided: bool) -> tuple[str, ...]:
    """Return a sentence for each text that is longer than the model reads.

    The last of several text encoders reads the most, and what a shorter one leaves out is not lost.
    """
    family = family_of_pipeline(pipeline)
    tokenizers = [getattr(pipeline, f"tokenizer{number}", None) for number in ("_3", "_2", "")]
    tokenizer = next(tokenizer for tokenizer in tokenizers if tokenizer is not None)
    if not hasattr(tokenizer, "model_max_length"):  # A processor, which contains a tokenizer.
        tokenizer = tokenizer.tokenizer
    limit = min(tokenizer.model_max_length, family.prompt_tokens)
    read = ("prompt", "negative_prompt") if guided and family.takes_negative_prompt else ("prompt",)
    return tuple(
        f"{name} is {length} tokens long; the model reads the first {limit}"
        for name in read
        if (length := len(tokenizer(getattr(request, name) or "").input_ids)) > limit
    )
