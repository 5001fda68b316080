"""Define the settings of what tenants keep: uploaded pictures, members of the cast, results with links.

Their files lie where the pictures of jobs do (job_config.py).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, field_validator

from deployments.bounds import Count, Seconds

from .host_names import parsed
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


@dataclass(frozen=True)
class CastConfig:
    """`max_members`: how many members of the cast a tenant keeps at once."""

    __pydantic_config__: ClassVar[dict[str, str]] = {"extra": "forbid"}

    max_members: Count = 200


class ResultConfig(BaseModel):
    """`link_ttl_s`: how long a link leads to its picture. `max_kept`: of a tenant at once, within
    `jobs.max_stored_bytes` and `jobs.max_stored_scenes`.

    `base_url`: the address of this service that links begin with, such as https://paint.example.com/prefix.
    null: as the request names it.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    link_ttl_s: float = Field(3_600.0, ge=1, le=7 * DAY_S)
    max_kept: Count = 10_000
    base_url: str | None = None

    @field_validator("base_url")
    @classmethod
    def _an_address(cls, base_url: str | None) -> str | None:
        if base_url is None:
            return None
        try:
            parts = urlsplit(base_url)
            host = parsed(parts.netloc) if parts.scheme in ("http", "https") else None
        except ValueError:
            host, parts = None, urlsplit("")
        plain = base_url.isascii() and base_url.isprintable() and " " not in base_url
        if host is None or not plain or parts.query or parts.fragment or "@" in parts.netloc:
            raise ValueError(
                "base_url is the address that links begin with, such as https://paint.example.com, without a"
                " query and without a name or password"
            )
        return base_url.rstrip("/")
