"""The settings of uploaded pictures. They are kept where the pictures of jobs are (job_config.py)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from deployments.bounds import Count, Seconds

from .job_config import DAY_S


@dataclass(frozen=True)
class PictureConfig:
    """`max_kept`: how many uploaded pictures a tenant keeps at once, within `jobs.max_stored_bytes` and
    `jobs.max_stored_scenes`. Each is kept for `retention_s` after its last upload, and for longer while
    something that waits holds it. `limits.max_upload_bytes` and `limits.max_upload_pixels` bound each file.
    """

    __pydantic_config__: ClassVar[dict[str, str]] = {"extra": "forbid"}

    max_kept: Count = 1_000
    retention_s: Seconds = DAY_S
