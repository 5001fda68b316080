"""The settings of the cast. Its pictures are uploaded ones (picture_config.py)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from deployments.bounds import Count


@dataclass(frozen=True)
class CastConfig:
    """`max_members`: how many members of the cast a tenant keeps at once."""

    __pydantic_config__: ClassVar[dict[str, str]] = {"extra": "forbid"}

    max_members: Count = 200
