"""Define what the merger is asked for: to merge, to read a picture, to compare, to make a sheet."""

from __future__ import annotations

from dataclasses import dataclass, field

from deployments.messages.value_types import Feet, MergeMode, PictureFormat, Position, Priority


@dataclass(frozen=True)
class OutputOptions:
    """The output format. `quality` 1..100 counts for JPEG and WebP; `upscale`: the picture so much larger."""

    format: PictureFormat = "jpeg"
    quality: int = 95
    upscale: float = 1.0


@dataclass(frozen=True)
class MergeOptions:
    """The frame, and how the character is set into it.

    `position` as a number is the share of the frame's width at which the figure's middle stands. `contrast`
    None: 1.1 for `paste`, else 1.0. `feet`: where the figure's pose has them in its picture; they
    stand at the position, on the ground.
    """

    mode: MergeMode = "auto"
    position: Position | float = "right"
    width_px: int = 1024
    height_px: int = 512
    scale: float = 1.0
    harmonize: float = 0.55
    shadow: bool = True
    contrast: float | None = None
    feet: Feet | None = None


MAX_FIGURES = 4
MAX_DEPTH = 100.0


@dataclass(frozen=True)
class FigureOptions:
    """Placement of one of several figures.

    `position` None: beside the others, spread evenly. `scale` multiplies that of the merge. A figure of more
    `depth` stands behind one of less; of equal ones the later in the list is in front. `feet`: as in the
    merge.
    """

    position: Position | float | None = None
    scale: float = 1.0
    depth: float = 0.0
    feet: Feet | None = None


@dataclass(frozen=True)
class MergeJob:
    """One merge of two painted layers into an encoded picture; `attribution` is the mark's text, or None.

    `tenant` and `priority` say whose turn it is, as in a LayerJob. `figures`: one for each of several
    characters, and none for a character alone, which stands as the options say.
    """

    request_id: str
    options: MergeOptions = field(default_factory=MergeOptions)
    output: OutputOptions = field(default_factory=OutputOptions)
    enhance: bool = False
    attribution: str | None = None
    layers: bool = False
    tenant: str = ""
    priority: Priority = "interactive"
    figures: tuple[FigureOptions, ...] = ()


@dataclass(frozen=True)
class UploadJob:
    """Picture files from elsewhere, as they came, and how to merge them.

    `given` names the fields of the merge's options that the caller set: layers of an earlier scene know the
    rest themselves, up to a frame of `max_frame_px` a side. `further` characters stand beside the first, and
    `given_figures` says the same of each of `merge.figures`. A file of more than `max_pixels` is refused
    before it is decoded. `characters_px`, of each character, and `background_px` are the pixels that their
    headers give, by which memory is kept for them.
    """

    merge: MergeJob
    character: bytes
    background: bytes
    max_pixels: int
    given: frozenset[str] = frozenset()
    max_frame_px: int = 1024
    characters_px: tuple[int, ...] = ()
    background_px: int = 0
    further: tuple[bytes, ...] = ()
    given_figures: tuple[frozenset[str], ...] = ()

    @property
    def characters(self) -> tuple[bytes, ...]:
        """Return the files of all figures."""
        return (self.character, *self.further)

    def character_name(self, index: int) -> str:
        """Return the name of a figure's file in an error: `character`, of several `character.0` and so on."""
        return f"character.{index}" if self.further else "character"


@dataclass(frozen=True)
class PictureJob:
    """One picture file from elsewhere, to be read once and written anew.

    `param` names it in errors. A file of more than `max_pixels` is refused before it is decoded; `pixels` are
    those that its header gives, by which memory is kept for it. `paints_transparent`: it is a mask that is
    transparent where OpenAI paints; it is written as one of ours, white there and black elsewhere.
    """

    request_id: str
    data: bytes
    param: str
    max_pixels: int
    pixels: int
    tenant: str = ""
    paints_transparent: bool = False


@dataclass(frozen=True, kw_only=True)
class CompareJob:
    """A picture of a member of the cast, to compare a painted figure with.

    `reference`: its PNG file, of `max_pixels` at most, and `name` its SHA-256, by which it is known again.
    """

    name: str
    reference: bytes
    max_pixels: int
    tenant: str = ""
    priority: Priority = "interactive"


@dataclass(frozen=True, kw_only=True)
class SheetJob:
    """Layers of one figure to set into an atlas. `names`: of the poses, one for each layer."""

    request_id: str
    names: tuple[str, ...]
    tenant: str = ""
