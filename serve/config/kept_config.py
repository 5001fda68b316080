"""Define the settings of what tenants keep: uploaded pictures, cast members, results with links.

Their files are stored with the pictures of jobs (job_config.py).
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
    """Limits of uploaded pictures.

    A tenant may keep up to `max_kept` at once, within `jobs.max_stored_bytes` and `jobs.max_stored_scenes`.
    Each is kept for `retention_s` after its last upload, and longer while waiting work refers to it.
    `limits.max_upload_bytes` and `limits.max_upload_pixels` bound each file.
    """

    __pydantic_config__: ClassVar[dict[str, str]] = {"extra": "forbid"}

    max_kept: Count = 1_000
    retention_s: Seconds = DAY_S


@dataclass(frozen=True)
class CastConfig:
    """Limits of the cast. `max_members` is how many members a tenant may keep at once."""

    __pydantic_config__: ClassVar[dict[str, str]] = {"extra": "forbid"}

    max_members: Count = 200


class ResultConfig(BaseModel):
    """Settings of results with links.

    `link_ttl_s` is how long a link leads to its picture. A tenant may keep up to `max_kept` results at once,
    within `jobs.max_stored_bytes` and `jobs.max_stored_scenes`. `base_url` is the address of this service
    that links begin with, such as https://paint.example.com/prefix. null: the address that the request used.
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
                "base_url must be the address that links begin with, such as https://paint.example.com,"
                " without a query, user name or password"
            )
        return base_url.rstrip("/")
