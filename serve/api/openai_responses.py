"""The responses that OpenAI's client reads: the JSON body, and the events of a stream."""

from __future__ import annotations

import time
from typing import Any, Literal

from pydantic import Field

from deployments.messages import Picture, PictureFormat, Usage

from ..http.rendering import base64_of
from .response_bodies import NO_LINKS, Links, safety_body, usage_body
from .response_schema import SafetyBody, UsageBody
from .wire import Wire

EventName = Literal["image_generation", "image_edit"]
"""The prefix of a stream's event types; each endpoint has its own."""


class ImageData(Wire):
    b64_json: str | None = None
    url: str | None = Field(None, description="a signed link, which needs no key")
    expires_at: int | None = Field(None, description="when the link expires, in seconds since 1970")
    safety: SafetyBody | None = Field(None, description="present if this service judges pictures")


class NoTokens(Wire):
    image_tokens: int = 0
    text_tokens: int = 0


class ImagesUsage(UsageBody):
    """OpenAI's token counts, which are always zero here, with our own usage beside them."""

    input_tokens: int = 0
    output_tokens: int = 0
    total_tokens: int = 0
    input_tokens_details: NoTokens = NoTokens()


class ImagesResponse(Wire):
    """The JSON response, with one picture for each one requested."""

    created: int = Field(description="seconds since 1970")
    data: list[ImageData]
    output_format: PictureFormat
    size: str = Field(description="WIDTHxHEIGHT")
    usage: ImagesUsage


def images_body(pictures: list[Picture], used: Usage, links: Links = NO_LINKS) -> dict[str, Any]:
    """Return the JSON body of a response that is not a stream."""
    return {
        "created": int(time.time()),
        "data": [{**_data(picture, links), **_safety(picture)} for picture in pictures],
        "output_format": pictures[0].format,
        "size": _size_of(pictures[0]),
        "usage": _usage(used),
    }


def _data(picture: Picture, links: Links) -> dict[str, Any]:
    if picture.data not in links:
        return {"b64_json": base64_of(picture.data)}
    url, expires_at = links[picture.data]
    return {"url": url, "expires_at": expires_at}


def partial_image(data: bytes, index: int, size: str, name: EventName) -> dict[str, Any]:
    """Return the event of a partial picture, which is a small JPEG. `size` is the final picture's size."""
    return {
        "type": f"{name}.partial_image",
        "b64_json": base64_of(data),
        "partial_image_index": index,
        **_described("jpeg", size),
    }


def completed_image(picture: Picture, used: Usage, name: EventName) -> dict[str, Any]:
    """Return the last event. There are no tokens here, but the client's type requires their counts."""
    return {
        "type": f"{name}.completed",
        "b64_json": base64_of(picture.data),
        **_described(picture.format, _size_of(picture)),
        "usage": _usage(used),
        **_safety(picture),
    }


def _safety(picture: Picture) -> dict[str, Any]:
    body = safety_body(picture)
    return {} if body is None else {"safety": body.model_dump()}


def _usage(used: Usage) -> dict[str, Any]:
    return ImagesUsage(**usage_body(used).model_dump()).model_dump()


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
