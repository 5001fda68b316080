"""The settings of results that links lead to. They lie where the pictures of jobs do (job_config.py)."""

from __future__ import annotations

from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, field_validator

from deployments.bounds import Count

from .host_names import parsed
from .job_config import DAY_S


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
