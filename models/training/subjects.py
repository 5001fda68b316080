"""Define what a model learns: the pictures' sampler, renderer, captions and sizes, one record per model."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from PIL import Image

from models.training.figures import figure_captions, figure_spec
from models.training.figures.draw_figure import draw_figure, sample_figure
from models.training.places import place_captions, place_spec
from models.training.places.draw_place import draw_place, sample_place

CHARACTER_NEGATIVE = "blurry, low quality, distorted, extra limbs, bad anatomy"
BACKGROUND_NEGATIVE = "people, characters, faces, low quality, blurry"


@dataclass(frozen=True)
class Subject:
    """One model's curriculum.

    `sizes` are (width_px, height_px), each with its share of the pictures. `attributes` are the fields of a
    spec that captions mention, each with all its values. `latent_channels` is how many components of the
    pictures' patches the denoiser paints. `guidance_share` is the share of the words' effect that the model
    learns: guidance multiplies that effect, so it acts like that share of the requested scale.
    `guidance_scale` is the service's default. `looks_in_a_round` returns how often a round of training shows
    a spec's picture. For the decoder, drawings are denoised again from one of the steps in `denoised_from`,
    of 20. After its first steps, the decoder has `refining_steps` on those, and `sharpening_steps` against a
    discriminator.
    """

    name: str
    sizes: tuple[tuple[int, int, float], ...]
    negative_prompt: str
    sample: Callable[[random.Random], Any]
    held_out: Callable[[Any], bool]
    draw: Callable[[Any, int, int], Image.Image]
    caption: Callable[[Any, random.Random], str]
    attributes: dict[str, tuple[Any, ...]]
    latent_channels: int
    guidance_scale: float
    guidance_share: float = 1.0
    looks_in_a_round: Callable[[Any], int] = lambda spec: 1
    denoised_from: Sequence[int] = ()
    refining_steps: int = 0
    sharpening_steps: int = 0

    @property
    def native_size(self) -> tuple[int, int]:
        return self.sizes[0][:2]

    def sample_for_training(self, rng: random.Random) -> Any:
        """Sample a spec whose combination of attributes is not held out for the evaluation."""
        while self.held_out(spec := self.sample(rng)):
            pass
        return spec


SUBJECTS = {
    "character": Subject(
        "character",
        ((384, 512, 1.0),),
        CHARACTER_NEGATIVE,
        sample_figure,
        figure_captions.is_held_out,
        draw_figure,
        figure_captions.caption_figure,
        {
            "role": figure_spec.ROLES,
            "garment": figure_spec.GARMENTS,
            "garment_color": tuple(figure_spec.COLORS),
            "hair_color": (None, *figure_spec.HAIR_COLORS),
            "hair_style": (None, *figure_spec.HAIR_STYLES),
            "fur": (None, *figure_spec.FURS),
            "cape_color": (None, *figure_spec.COLORS),
            "item": (None, *figure_spec.ITEMS),
            "expression": figure_spec.EXPRESSIONS,
            "pose": figure_spec.POSES,
        },
        latent_channels=48,
        guidance_scale=7.5,
        guidance_share=0.25,
        looks_in_a_round=figure_spec.looks_in_a_round,
        denoised_from=range(2, 13),
        refining_steps=2_000,
    ),
    "background": Subject(
        "background",
        # The frame of a scene is 2:1, so the model also learns that shape.
        ((512, 384, 0.7), (768, 384, 0.3)),
        BACKGROUND_NEGATIVE,
        sample_place,
        place_captions.is_held_out,
        draw_place,
        place_captions.caption_place,
        {"kind": place_spec.KINDS, "time": place_spec.TIMES, "weather": place_spec.WEATHERS},
        latent_channels=32,
        guidance_scale=6.0,
        looks_in_a_round=place_spec.looks_in_a_round,
        denoised_from=range(13, 18),
        sharpening_steps=2_400,
    ),
}
