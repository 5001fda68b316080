"""Define the limits of a request, and a merge's defaults for values that its request omits."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from deployments.bounds import Bytes, Count, Guidance, Pixels, Seconds, Side, Steps
from deployments.messages import MergeMode, Position

from .settings_base import Settings

LARGEST_PX = 8_192
"""The longest side that a service can be configured to allow."""


class Limits(Settings):
    """Limits of a request.

    `max_frame_size` is for merges, by default `max_image_size`. `max_upscaled_size` is for pictures that are
    enlarged for print. `max_json_values` counts the commas and opening brackets of a body, on which the time
    to parse it depends. `max_inline_bytes` is for all picture files in one JSON body together, which may be
    longer by that much, though no longer than an upload. `max_streams` is how many event streams of jobs one
    edge replica holds open, beside its requests. `max_bytes_in_flight` is for all request bodies that one
    edge replica holds until it has responded, at most half of it for one tenant. null: 128 MiB, or four of
    the largest body if that is more.
    """

    max_image_size: int = Field(1024, ge=64, le=LARGEST_PX)
    max_frame_size: int | None = Field(None, ge=64, le=LARGEST_PX)
    max_upscaled_size: int = Field(4096, ge=64, le=LARGEST_PX)
    min_image_size: int = Field(64, ge=64, le=LARGEST_PX)
    max_steps: Steps = 150
    max_guidance: Guidance = 30.0
    max_prompt_chars: Count = 2_000
    max_json_bytes: Bytes = 1 << 20
    max_json_values: Count = 25_000
    max_inline_bytes: Bytes = 4 << 20
    max_upload_bytes: Bytes = 16 << 20
    max_upload_pixels: Pixels = 4096 * 4096
    max_deadline_s: Seconds = 600.0
    max_bytes_in_flight: Bytes | None = None
    body_timeout_s: Seconds = 30.0
    max_streams: Count = 256
    max_streams_per_tenant: Count = 64

    @model_validator(mode="after")
    def _leaves_a_size(self) -> Self:
        for name in ("max_image_size", "max_frame_size"):
            most = getattr(self, name)
            if most is not None and most < self.min_image_size:
                raise ValueError(f"min_image_size is above {name}, so no size would be allowed")
        return self


class MergeDefaults(Settings):
    """The defaults of a scene's merge for values that its request omits.

    `quality` also applies to a layer alone. With `background_size` frame, a scene's background without a
    requested size is painted in the frame's shape, except for `paste`. With default, it always has its
    layer's default size.
    """

    mode: MergeMode = "auto"
    position: Position = "right"
    width: Side = 1024
    height: Side = 512
    quality: int = Field(95, ge=1, le=100)
    background_size: Literal["frame", "default"] = "frame"
