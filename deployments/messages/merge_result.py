"""Define what the merger sends back: encoded pictures, and how the figures were placed."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from deployments.messages.value_types import PictureFormat


@dataclass(frozen=True)
class Safety:
    """Judgement of a picture: its `score` 0..1, and whether that reaches the threshold."""

    score: float
    flagged: bool


@dataclass(frozen=True)
class Picture:
    """An encoded picture. `safety` is None if not judged; `upscaled` is the factor by which it grew."""

    format: PictureFormat
    width_px: int
    height_px: int
    data: bytes
    safety: Safety | None = None
    upscaled: float = 1.0


@dataclass(frozen=True, kw_only=True)
class SheetResult:
    """An atlas of poses. `frames` locate them, as game engines read it; `poses` has each as its own file."""

    atlas: Picture
    frames: dict[str, dict[str, Any]]
    poses: dict[str, Picture]


@dataclass(frozen=True)
class FigureResult:
    """The placement of one of several figures. `box` is its (x, y, width, height) in the frame."""

    mode: Literal["cutout", "paste"]
    confidence: float
    box: tuple[int, int, int, int]


@dataclass(frozen=True)
class MergeResult:
    """The merged picture. `box` is the character's (x, y, width, height) in the frame.

    With several characters, `figures` has each one, `box` surrounds them all, `mode` is `paste` if any was
    pasted, and `confidence` is the lowest. Its layers are `character-0`, `mask-0`, `painted-0` and so on.

    `layers` has the clean layers if they were requested: `character` (RGBA) as cut out, `background` as
    painted, `mask` (the character's alpha), and `painted`, the character before it was cut out. Merging
    `character` and `background` with the same options gives the picture again.

    `warnings` say what the caller should know, such as why an `auto` merge was pasted.
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
