"""Define the merger's jobs: merge layers, read a picture, compare a figure, make a sheet."""

from __future__ import annotations

from dataclasses import dataclass, field

from deployments.messages.value_types import Feet, MergeMode, PictureFormat, Position, Priority


@dataclass(frozen=True)
class OutputOptions:
    """The output format. `quality` 1..100 applies to JPEG and WebP; `upscale` multiplies width and height."""

    format: PictureFormat = "jpeg"
    quality: int = 95
    upscale: float = 1.0


@dataclass(frozen=True)
class MergeOptions:
    """The frame, and how the character is placed in it.

    `position` as a number is where the figure's middle stands, as a fraction of the frame's width. `contrast`
    None means 1.1 for `paste`, else 1.0. `feet` is where the figure's pose has its feet in its picture; they
    are placed at the position, on the ground.
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

    `position` None: spread evenly beside the others. `scale` multiplies the merge's scale. A figure with more
    `depth` stands behind one with less; at equal depth the later in the list is in front. `feet`: as in
    MergeOptions.
    """

    position: Position | float | None = None
    scale: float = 1.0
    depth: float = 0.0
    feet: Feet | None = None


@dataclass(frozen=True)
class MergeJob:
    """One merge of painted layers into an encoded picture; `attribution` is the mark's text, or None.

    `tenant` and `priority` decide its turn, as in a LayerJob. `figures` has one entry for each of several
    characters. It is empty for a single character, which is placed by `options`.
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
    """Uploaded picture files, as received, and how to merge them.

    `given` names the fields of the merge's options that the caller set: layers of an earlier scene carry the
    rest themselves, up to a frame of `max_frame_px` a side. `further` characters stand beside the first;
    `given_figures` names the fields that the caller set in each of `merge.figures`. A file of more than
    `max_pixels` is refused before it is decoded. `characters_px`, one for each character, and `background_px`
    are the pixel counts in the files' headers, by which memory is reserved.
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
        """Return a figure file's name for errors: `character`, or `character.0` and so on if several."""
        return f"character.{index}" if self.further else "character"


@dataclass(frozen=True)
class PictureJob:
    """One uploaded picture file, to read once and write as a plain PNG.

    `param` names it in errors. A file of more than `max_pixels` is refused before it is decoded; `pixels` is
    the count in its header, by which memory is reserved. `paints_transparent`: it is a mask in OpenAI's form,
    transparent where to paint, and is written in our form, white there and black elsewhere.
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
    """A picture of a cast member, to compare a painted figure with.

    `reference` is its PNG file, of at most `max_pixels`. `name` is the file's SHA-256, by which the merger
    recognises it again.
    """

    name: str
    reference: bytes
    max_pixels: int
    tenant: str = ""
    priority: Priority = "interactive"


@dataclass(frozen=True, kw_only=True)
class SheetJob:
    """Layers of one figure to arrange in an atlas. `names` are those of the poses, one for each layer."""

    request_id: str
    names: tuple[str, ...]
    tenant: str = ""
