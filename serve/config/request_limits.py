"""Define the limits of a request, and a merge's defaults where its request is silent."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from deployments.bounds import Bytes, Count, Guidance, Pixels, Seconds, Side, Steps
from deployments.messages import MergeMode, Position

from .settings_base import Settings

LARGEST_PX = 8_192
"""The longest side that any service may be set to."""


class Limits(Settings):
    """Limits of a request. `max_frame_size` is for merges, where it is not `max_image_size` too, and
    `max_upscaled_size` for what is made larger for print.

    `max_json_values` counts the commas and opening brackets of a body, which parsing takes its time for.
    `max_inline_bytes`: of all picture files inside of one JSON body, which may be so much longer, though no
    longer than an upload.
    `max_streams` are the event streams of jobs that one edge replica holds open, beside its requests.
    `max_bytes_in_flight`: of all request bodies that one edge replica holds, until they are answered; one
    tenant has half of them at most. null: 128 MiB, or four of the largest body where that is more.
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
                raise ValueError(f"min_image_size is over {name}, so that no size would be left")
        return self


class MergeDefaults(Settings):
    """The defaults of a scene's merge where its request is silent; `quality` is also that of a layer alone.

    `background_size` frame: a scene's background that nobody gave a size is painted in the frame's own shape,
    except for `paste`. default: always in its layer's default size.
    """

    mode: MergeMode = "auto"
    position: Position = "right"
    width: Side = 1024
    height: Side = 512
    quality: int = Field(95, ge=1, le=100)
    background_size: Literal["frame", "default"] = "frame"
