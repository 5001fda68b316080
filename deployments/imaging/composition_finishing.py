"""Finish a composition for the response: enhance, upscale, mark, encode, and the layers if requested."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from deployments.imaging.composite.compositing import Composition
from deployments.imaging.composite.enhancing import enhance
from deployments.imaging.composite.group_composing import GroupComposition, reasons
from deployments.imaging.composite.layer_tags import KEY, Tagged, group_tags, tags_of
from deployments.imaging.files.picture_encoding import PictureWriter
from deployments.imaging.marks.provenance import Provenance
from deployments.messages import (
    FigureResult,
    MergeJob,
    MergeResult,
    OutputOptions,
    Picture,
    Pixels,
)

LOSSLESS = OutputOptions("png")


@dataclass(frozen=True)
class Origin:
    """The provenance of the picture and of each of its layers, and their pixels."""

    picture: Provenance
    layers: Mapping[str, Provenance]
    pixels: Mapping[str, Pixels]


def group_origin(
    picture: Provenance,
    provenance: Sequence[Provenance],
    figures: Sequence[Pixels],
    background: Provenance,
    place: Pixels,
) -> Origin:
    """Return the origin of a scene of several figures, each by its index."""
    names = [f"character-{index}" for index in range(len(figures))]
    return Origin(
        picture,
        {**dict(zip(names, provenance, strict=True)), "background": background},
        {**dict(zip(names, figures, strict=True)), "background": place},
    )


def finish(
    made: Composition | GroupComposition,
    job: MergeJob,
    origin: Origin,
    writer: PictureWriter,
    started: float,
) -> MergeResult:
    """Finish a composition. `started` is when the merge began, in seconds of time.perf_counter."""
    picture = made.picture
    if job.enhance:
        picture = enhance(picture)
    merged = time.perf_counter()
    encoded = writer.write(
        picture,
        job.output,
        origin.picture,
        ingredients=origin.pixels,
        # The best Huffman tables belong to the original's merge: 4 ms for a fiftieth of the bytes.
        optimize=isinstance(made, Composition) and made.mode == "paste",
        mark=job.attribution,
    )
    if isinstance(made, GroupComposition):
        layers = _group_layers(made, origin, writer) if job.layers else {}
        warnings = tuple(reasons(made))
        figures = tuple(FigureResult(each.mode, each.confidence, each.box) for each in made.figures)
    else:
        layers = _layers(made, origin, writer) if job.layers else {}
        warnings, figures = (made.reason,) if made.reason else (), ()
    return MergeResult(
        encoded,
        made.mode,
        made.confidence,
        made.box,
        merge_ms=1e3 * (merged - started),
        output_ms=1e3 * (time.perf_counter() - merged),
        layers=layers,
        warnings=warnings,
        figures=figures,
    )


def _layers(made: Composition, origin: Origin, writer: PictureWriter) -> dict[str, Picture]:
    """Return the clean layers as files."""
    tags, parts = tags_of(made), made.parts
    pixels: dict[Tagged, Pixels] = {
        "character": parts.figure.rgba(),
        "background": parts.background[..., :3],
        "painted": parts.painted,
    }

    def file(layer: Tagged, provenance: Provenance) -> Picture:
        return writer.write(
            np.ascontiguousarray(pixels[layer]), LOSSLESS, provenance, texts={KEY: tags[layer]}
        )

    return {
        "character": file("character", origin.layers["character"]),
        "background": file("background", origin.layers["background"]),
        "mask": writer.write(np.ascontiguousarray(parts.figure.alpha), LOSSLESS, Provenance()),
        "painted": file("painted", origin.layers["character"]),
    }


def _group_layers(made: GroupComposition, origin: Origin, writer: PictureWriter) -> dict[str, Picture]:
    """Return the clean layers of several figures as files, each figure's three by its index."""
    place, figures = group_tags(made)

    def file(pixels: Pixels, provenance: Provenance, tag: str) -> Picture:
        return writer.write(np.ascontiguousarray(pixels), LOSSLESS, provenance, texts={KEY: tag})

    layers = {"background": file(made.background[..., :3], origin.layers["background"], place)}
    for index, (figure, tags) in enumerate(zip(made.figures, figures, strict=True)):
        provenance = origin.layers[f"character-{index}"]
        layers |= {
            f"character-{index}": file(figure.cutout.rgba(), provenance, tags["character"]),
            f"mask-{index}": writer.write(np.ascontiguousarray(figure.cutout.alpha), LOSSLESS, Provenance()),
            f"painted-{index}": file(figure.painted, provenance, tags["painted"]),
        }
    return layers
