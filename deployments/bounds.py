"""Bounds on the numbers in a configuration.

Pydantic checks them when it reads a file, and names the value that it refuses.

The upper bounds are far beyond any real need: they catch slips, such as milliseconds given as seconds.
Each interval is finite, so it contains neither infinity nor NaN.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

YEAR_S = 366 * 86_400.0
MOST = 1_000_000
MOST_BYTES = 1 << 50

Count = Annotated[int, Field(ge=1, le=MOST)]
CountOrNone = Annotated[int, Field(ge=0, le=MOST)]
"""Zero means none."""
Rows = Annotated[int, Field(ge=1, le=4_096)]
Steps = Annotated[int, Field(ge=1, le=10_000)]
Guidance = Annotated[float, Field(ge=0, le=1_000)]
Side = Annotated[int, Field(ge=8, le=8_192)]
Pixels = Annotated[int, Field(ge=1, le=1 << 40)]
Bytes = Annotated[int, Field(ge=1, le=MOST_BYTES)]
BytesOrNone = Annotated[int, Field(ge=0, le=MOST_BYTES)]
Seconds = Annotated[float, Field(gt=0, le=YEAR_S)]
SecondsOrNone = Annotated[float, Field(ge=0, le=YEAR_S)]
"""Zero means no time at all."""
Factor = Annotated[float, Field(ge=0, le=1_000)]
Share = Annotated[float, Field(ge=0, le=1)]
