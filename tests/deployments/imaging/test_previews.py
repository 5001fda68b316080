from __future__ import annotations

from io import BytesIO

import pytest
from PIL import Image

from deployments.imaging.previews import compose_preview
from deployments.messages import MergeMode, MergeOptions
from tests.support.known_alpha.sets import samples


def jpeg(picture: Image.Image) -> bytes:
    data = BytesIO()
    picture.save(data, "JPEG")
    return data.getvalue()


FIGURE = jpeg(Image.fromarray(next(samples("plain", 1, held_out=True)).pixels))
PLACE = jpeg(Image.new("RGB", (64, 48), "navy"))


@pytest.mark.parametrize("mode", ["auto", "cutout", "paste"])
def test_a_small_jpeg_of_the_frames_shape(mode: MergeMode) -> None:
    options = MergeOptions(mode, width_px=1024, height_px=512)
    picture = Image.open(BytesIO(compose_preview(options, FIGURE, PLACE)))
    assert (picture.format, picture.size) == ("JPEG", (384, 192))


def test_what_cannot_be_cut_out_yet_is_pasted() -> None:
    noise = jpeg(Image.effect_noise((48, 64), 90).convert("RGB"))
    options = MergeOptions("cutout", width_px=128, height_px=64)
    assert Image.open(BytesIO(compose_preview(options, noise, PLACE))).size == (128, 64)
