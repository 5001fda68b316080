"""The responses that OpenAI's client reads: the JSON body, and the events of a stream."""

from __future__ import annotations

import time
from typing import Any

from pydantic import Field

from deployments.messages import Picture, PictureFormat

from ..http.rendering import base64_of
from .schema import Wire


class ImageData(Wire):
    b64_json: str


class ImagesResponse(Wire):
    """Wire form: one picture for each requested one."""

    created: int = Field(description="seconds since 1970")
    data: list[ImageData]
    output_format: PictureFormat
    size: str = Field(description="WIDTHxHEIGHT")


def images_body(pictures: list[Picture]) -> dict[str, Any]:
    """Return the response that is not a stream."""
    return {
        "created": int(time.time()),
        "data": [{"b64_json": base64_of(picture.data)} for picture in pictures],
        "output_format": pictures[0].format,
        "size": _size_of(pictures[0]),
    }


def partial_image(data: bytes, index: int, size: str) -> dict[str, Any]:
    """Return the event of a picture on its way: `size` is that of the final one, this one is a small JPEG."""
    return {
        "type": "image_generation.partial_image",
        "b64_json": base64_of(data),
        "partial_image_index": index,
        **_described("jpeg", size),
    }


def completed_image(picture: Picture) -> dict[str, Any]:
    """Return the last event. There are no tokens here, but the client's type wants them counted."""
    usage: dict[str, Any] = dict.fromkeys(("input_tokens", "output_tokens", "total_tokens"), 0)
    return {
        "type": "image_generation.completed",
        "b64_json": base64_of(picture.data),
        **_described(picture.format, _size_of(picture)),
        "usage": usage | {"input_tokens_details": {"image_tokens": 0, "text_tokens": 0}},
    }


def _described(picture_format: PictureFormat, size: str) -> dict[str, Any]:
    return {
        "created_at": int(time.time()),
        "size": size,
        "quality": "auto",
        "background": "auto",
        "output_format": picture_format,
    }


def _size_of(picture: Picture) -> str:
    return f"{picture.width_px}x{picture.height_px}"
