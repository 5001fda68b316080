"""The wording of the bundled models' cards."""

from models.training.figures.figure_spec import COLORS, FURS, GARMENTS, HAIR_COLORS, ITEMS, ROLES
from models.training.places.place_spec import KINDS, TIMES, WEATHERS
from models.training.subjects import SUBJECTS


def guided(subject: str, usual: float) -> str:
    """Return what the guidance scale means for a model that learnt only a share of what words add."""
    share = SUBJECTS[subject].guidance_share
    if share == 1:
        return ""
    return (
        f" The denoiser learnt only {share:g} of the prompt's effect, so guidance of {usual:g}, the usual "
        f"value, acts like {usual * share:.1f} in other models, and colours stay even. "
        f"Below {1 / share:.2g} the model follows the prompt loosely."
    )


def trained_on(subject: str) -> str:
    """Return what the decoder was trained on."""
    words = ""
    if SUBJECTS[subject].denoised_from:
        words += (
            " It learnt from drawings, and then from drawings that were noised and that the denoiser painted "
            "again, so that it cleans up the denoiser's errors "
            "(`models/training/networks/denoised_pictures.py`)."
        )
    if SUBJECTS[subject].sharpening_steps:
        words += (
            " It was also trained against a discriminator of decoded and drawn patches, so that "
            "edges are crisp (`models/training/networks/sharpening.py`)."
        )
    return words


WORDS: dict[str, dict[str, str]] = {
    "character": {
        "shows": "storybook figures on a plain light grey backdrop, 384 by 512 pixels",
        "reads": f"{len(ROLES)} roles ({', '.join(ROLES)}), the animals with fur of {len(FURS)} colours, "
        f"{len(GARMENTS)} garments ({', '.join(GARMENTS)}) in {len(COLORS)} colours, {len(HAIR_COLORS)} hair "
        f"colours, capes in {len(COLORS)} colours, and {len(ITEMS)} things to hold ({', '.join(ITEMS)})",
        "trained_on": trained_on("character"),
        "guided": guided("character", usual=7.5),
        "held_out": "combinations of role, garment and colour",
        "prompt": "a knight in red armor holding a sword, full body, plain light gray studio background",
        "size": "width=384,\n    height=512",
        "judge": "The garment's colour is measured from the pixels of chest and skirt "
        "(`models/training/evaluation/garment_color.py`). On {pictures} freshly rendered figures this "
        "measure is right for {color}, or {color_soft} if they are blurred.",
    },
    "background": {
        "shows": "storybook landscapes without people, 512 by 384 pixels, or 2:1 as the frame of a scene",
        "reads": f"{len(KINDS)} kinds of place ({', '.join(KINDS)}), {len(TIMES)} times of day "
        f"({', '.join(TIMES)}) and {len(WEATHERS)} kinds of weather ({', '.join(WEATHERS)})",
        "trained_on": trained_on("background"),
        "guided": guided("background", usual=6.0),
        "held_out": "combinations of kind, time and weather; one prompt in ten does not mention the weather",
        "prompt": "beautiful detailed castle at sunset under a clear sky",
        "size": "width=512,\n    height=384",
        "judge": "Kind and time are determined by a small classifier trained on rendered places "
        "(`models/training/place_classifier.safetensors`). Blurred, smeared, warped, mixed, patch-shuffled, "
        "scattered and doubled places are a separate class, so that such a picture counts as no place. The "
        "classifier is more lenient than a person. On {pictures} rendered places in layouts that it was not "
        "trained on, it is right for {kind} of the kinds, {time} of the times and {day_night} of day or "
        "night; if they are slightly blurred, for {kind_soft}, {time_soft} and {day_night_soft}. It "
        "classifies {no_place} of the same places, spoiled in the ways above, as no place, and "
        "{no_place_other} of mosaics of them, which it was not trained on.",
    },
}

TEMPLATE = """---
license: apache-2.0
library_name: diffusers
pipeline_tag: text-to-image
---

# storybook-{subject}

A small text-to-image diffusion model ({megabytes} MB, a `StableDiffusionPipeline`) that paints {shows}.
It was trained from scratch on a CPU, to run on a CPU, and is Scenewright's default {subject} model.

## How it was made

Every training picture was drawn by our own program in `models/training/`: {reads}. The captions were
written by the same program. No third-party pictures, captions or weights were used. The latents are a
fixed linear basis of 16 by 16 pixel patches of the picture at half its size; the decoder is their linear
inverse plus a network that restores the full size and the edges.{trained_on} The text encoder, its
vocabulary and the denoiser (v-prediction, zero terminal signal) were trained from random weights.{guided}

## Use

Run this in a checkout or with Scenewright installed, since the VAE is a class of Scenewright's:

```python
import deployments.diffusion.model.patch_autoencoder  # diffusers loads only what is imported
from diffusers import DiffusionPipeline

pipeline = DiffusionPipeline.from_pretrained("models/storybook-{subject}")
image = pipeline(
    "{prompt}",
    num_inference_steps={steps},
    {size},
).images[0]
```

It is meant for picture-book scenes, demonstrations and tests. It knows the things named above and very
little else: other words change a picture little or at random, it paints one style only, it cannot write text,
and sizes far from its own come out distorted. For anything more, configure a larger model.

## Figures

{prompts} prompts held out from training ({held_out}), with the service's wording and negative prompts;
{steps} steps, guidance {guidance_scale}, float32.

| measure | result |
| --- | --- |
{adherence}
{seeds}
| seconds per picture, one at a time, {threads} CPU thread(s) | {seconds_per_picture} |

{judge}

| asked for | painted as asked |
| --- | --- |
{by_value}

The sliced Wasserstein distance between patches of Laplacian pyramids (Karras et al. 2018, section 5; times
1,000): to as many drawings of the same prompts, and from those to as many drawings of other prompts:

| level | painted to drawn | drawn to other drawn | ratio |
| --- | --- | --- | --- |
{distances}

{by_eye}The first 24 of the {prompts} measured pictures; what was seen instead of the request is in red:

![contact sheet](../../docs/pictures/storybook-{subject}.jpg)

## Reproduce it

```
python -m models.training {subject}
python -m models.training.judges
python -m models.training.evaluate {subject}
python -m models.training.model_card models/storybook-{subject}
sha256sum --check SHA256SUMS   # in the model's folder
```

## Licence

Apache-2.0, the weights as well as the code that made them. The pictures it paints are yours.
"""
