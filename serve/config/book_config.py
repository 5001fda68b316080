"""The settings of books, which are made of stories."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

from pydantic import StringConstraints

from deployments.bounds import Count


@dataclass(frozen=True)
class BookConfig:
    """Fonts of books, and how many books are made at once.

    `fonts` are font files, or folders of them, that books are set in beside the bundled ones. They come
    before the open fonts found on the machine. An edge replica makes up to `max_making` books at once.
    """

    __pydantic_config__: ClassVar[dict[str, str]] = {"extra": "forbid"}

    fonts: tuple[Annotated[str, StringConstraints(min_length=1)], ...] = ()
    max_making: Count = 2
