"""A picture for print is Pillow's own Lanczos resampling, and says so."""

from __future__ import annotations

from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from deployments.imaging.files.picture_encoding import PictureWriter, upscale
from deployments.imaging.marks.attribution import mark
from deployments.imaging.marks.provenance import Provenance, ProvenanceConfig
from deployments.messages import OutputOptions, Picture


def noise(mode: str = "RGB") -> Image.Image:
    shape = (48, 80, len(mode))
    return Image.fromarray(np.random.default_rng(1).integers(0, 256, shape, dtype=np.uint8), mode)


def written(image: Image.Image, factor: float, text: str | None = None) -> tuple[Picture, Image.Image]:
    writer = PictureWriter(ProvenanceConfig())
    picture = writer.write(image, OutputOptions("png", upscale=factor), Provenance(), mark=text)
    return picture, Image.open(BytesIO(picture.data))


@pytest.mark.parametrize(("factor", "size"), [(1.0, (80, 48)), (2.0, (160, 96)), (2.55, (204, 122))])
def test_it_is_lanczos_of_the_library(factor: float, size: tuple[int, int]) -> None:
    picture, opened = written(noise(), factor)
    assert (picture.width_px, picture.height_px) == size and picture.upscaled == factor
    assert opened.tobytes() == noise().resize(size, Image.Resampling.LANCZOS).tobytes()


def test_no_colour_bleeds_out_of_what_is_transparent() -> None:
    pixels = np.zeros((40, 40, 4), np.uint8)
    pixels[:, :20] = (200, 40, 40, 255)
    pixels[:, 20:] = (0, 255, 0, 0)
    larger = np.asarray(upscale(Image.fromarray(pixels), 3.0)).astype(int)
    seen = larger[larger[..., 3] > 32]
    assert seen[:, 1].max() <= 45, "no green"


def test_the_visible_mark_is_drawn_on_the_large_picture() -> None:
    image = Image.new("RGB", (400, 300), "gray")
    assert written(image, 3.0, "By us")[1].tobytes() == mark(upscale(image, 3.0), "By us").tobytes()
