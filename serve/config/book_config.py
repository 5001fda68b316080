"""The settings of books, which are made of stories."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

from pydantic import StringConstraints

from deployments.bounds import Count


@dataclass(frozen=True)
class BookConfig:
    """`fonts`: files of fonts, or folders of them, that books are set in beside the bundled ones. They
    come before the open fonts that are found on the machine. `max_making` books are made at once by an edge
    replica.
    """

    __pydantic_config__: ClassVar[dict[str, str]] = {"extra": "forbid"}

    fonts: tuple[Annotated[str, StringConstraints(min_length=1)], ...] = ()
    max_making: Count = 2
