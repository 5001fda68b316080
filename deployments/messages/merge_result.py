"""Define what the merger sends back: encoded pictures, and how the figures were set in."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from deployments.messages.value_types import PictureFormat


@dataclass(frozen=True)
class Safety:
    """Judgement of a picture: `score` 0..1, and whether that is over the threshold."""

    score: float
    flagged: bool


@dataclass(frozen=True)
class Picture:
    """An encoded picture. `safety` where it was judged; `upscaled`: how much larger than it was painted."""

    format: PictureFormat
    width_px: int
    height_px: int
    data: bytes
    safety: Safety | None = None
    upscaled: float = 1.0


@dataclass(frozen=True, kw_only=True)
class SheetResult:
    """An atlas of poses. `frames`: where each is, as game engines read it; `poses`: each as its own file."""

    atlas: Picture
    frames: dict[str, dict[str, Any]]
    poses: dict[str, Picture]


@dataclass(frozen=True)
class FigureResult:
    """Figure of several as it was set in. `box` is its (x, y, width, height) in the frame."""

    mode: Literal["cutout", "paste"]
    confidence: float
    box: tuple[int, int, int, int]


@dataclass(frozen=True)
class MergeResult:
    """The merged picture. `box` is the character's (x, y, width, height) in the frame.

    Of several characters `figures` has each, `box` is around all of them, `mode` is `paste` where one of them
    was pasted, and `confidence` the least; the layers are `character-0`, `mask-0`, `painted-0` and so on.

    `layers` are given where requested, clean: `character` (RGBA) as cut out, `background` as painted, `mask`
    the character's alpha, `painted` the character before it was cut out. Merged with the same options,
    `character` and `background` are the picture again.

    `warnings` say what the caller should know, first of all why an `auto` merge was pasted.
    """

    picture: Picture
    mode: Literal["cutout", "paste"]
    confidence: float
    box: tuple[int, int, int, int]
    merge_ms: float
    output_ms: float
    layers: dict[str, Picture] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    figures: tuple[FigureResult, ...] = ()
