"""Write a page's layers as a PSD: the place, each figure where it stands, and the finished picture on top."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Figure:
    """The name of a figure's layer, and how far back the figure stands."""

    name: str
    depth: float = 0.0


def write_psd(response: Mapping[str, Any], figures: Sequence[Figure], file: Path) -> None:
    """Write the layers of a kept response that has them. Raises OSError.

    The layers are clean, so only the picture on top has light and shadow. They have the same size as in the
    picture, even if that was upscaled.
    """
    from PIL import ImageOps
    from psd_tools import PSDImage

    picture = _opened(response["image"]).convert("RGB")
    psd = PSDImage.new("RGB", picture.size)
    place = ImageOps.fit(_opened(response["layers"]["background"]).convert("RGB"), picture.size)
    psd.create_pixel_layer(place, name="background")
    for name, layer, (left, top) in _placed(response, figures):
        # The name is set afterwards: only the setter can write names outside Mac Roman.
        psd.create_pixel_layer(layer, top=top, left=left).name = name
    psd.create_pixel_layer(picture, name="picture")
    with file.open("wb") as opened:
        psd.save(opened)


def _placed(
    response: Mapping[str, Any], figures: Sequence[Figure]
) -> Iterator[tuple[str, Any, tuple[int, int]]]:
    """Yield each figure at its size in the picture, the farthest first."""
    where = response["merge"]["figures"]
    factor = response["image"].get("upscaled", {}).get("factor", 1.0)
    figures = figures[: len(where)]
    farthest_first = sorted(range(len(figures)), key=lambda index: -figures[index].depth)
    for index in farthest_first:
        layer = _opened(response["layers"]["characters"][index]).convert("RGBA")
        left, top, width, height = (round(factor * side) for side in where[index]["box"])
        if where[index]["mode"] == "cutout":
            layer = layer.crop(layer.getchannel("A").getbbox() or (0, 0, *layer.size))
        yield figures[index].name, layer.resize((max(1, width), max(1, height))), (left, top)


def _opened(picture: Mapping[str, Any]) -> Any:
    from PIL import Image

    return Image.open(BytesIO(base64.b64decode(picture["b64_json"])))
