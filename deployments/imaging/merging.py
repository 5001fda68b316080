"""Merge layers, or files, into one picture: compose them, judge the picture, then finish it.

Finishing means to enhance, upscale, mark and encode the picture, and its layers if they are requested.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from deployments.imaging.composite.compositing import Composition, compose
from deployments.imaging.composite.enhancing import enhance
from deployments.imaging.composite.group_composing import GroupComposition, compose_group, reasons
from deployments.imaging.composite.layer_tags import (
    KEY,
    Tagged,
    as_before,
    group_as_before,
    group_tags,
    tags_of,
)
from deployments.imaging.cutout.matting import Matte
from deployments.imaging.files.decoding import figure_pixels, open_upright, place_pixels
from deployments.imaging.files.picture_encoding import PictureWriter
from deployments.imaging.marks.provenance import Provenance, combine, declared_source, of_layers
from deployments.messages import (
    FigureResult,
    LayerResult,
    MergeJob,
    MergeResult,
    OutputOptions,
    Picture,
    Pixels,
    Safety,
    UploadJob,
)

LOSSLESS = OutputOptions("png")


@dataclass(frozen=True)
class Origin:
    """The provenance of the picture and of each of its layers, and the layers' pixels."""

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
    """Return the origin of a scene of several figures, each named by its index."""
    names = [f"character-{index}" for index in range(len(figures))]
    return Origin(
        picture,
        {**dict(zip(names, provenance, strict=True)), "background": background},
        {**dict(zip(names, figures, strict=True)), "background": place},
    )


class Merging:
    """Merge pictures. `network` cuts out what the keyer cannot; `judge` may raise ContentRefused."""

    def __init__(
        self, network: Matte | None, writer: PictureWriter, judge: Callable[..., Safety | None]
    ) -> None:
        self._network = network
        self._writer = writer
        self._judge = judge

    def merge(self, job: MergeJob, character: LayerResult, background: LayerResult) -> MergeResult:
        """Merge a painted figure and a place."""
        started = time.perf_counter()
        made = compose(character.pixels, background.pixels, job.options, self._network)
        origin = Origin(
            of_layers(character, background),
            {"character": of_layers(character), "background": of_layers(background)},
            {"character": character.pixels, "background": background.pixels},
        )
        return self._finished(made, job, origin, started)

    def merge_group(
        self, job: MergeJob, background: LayerResult, characters: Sequence[LayerResult]
    ) -> MergeResult:
        """Merge several painted figures, one for each of `job.figures`, and a place."""
        started = time.perf_counter()
        figures = [character.pixels for character in characters]
        made = compose_group(figures, background.pixels, job.options, job.figures, self._network)
        reported = [of_layers(character) for character in characters]
        origin = group_origin(
            of_layers(*characters, background), reported, figures, of_layers(background), background.pixels
        )
        return self._finished(made, job, origin, started)

    def _merge_several_files(self, job: UploadJob) -> MergeResult:
        started = time.perf_counter()
        characters = [
            open_upright(file, job.character_name(index), job.max_pixels)
            for index, file in enumerate(job.characters)
        ]
        background = open_upright(job.background, "background", job.max_pixels)
        options, requested, found = group_as_before(characters, background, job)
        figures, place = [figure_pixels(each) for each in characters], place_pixels(background)
        made = compose_group(figures, place, options, requested, self._network, found)
        sources = [declared_source(each) for each in characters]
        behind = declared_source(background)
        origin = group_origin(
            Provenance(combine(*sources, behind)),
            [Provenance(source) for source in sources],
            figures,
            Provenance(behind),
            place,
        )
        return self._finished(made, job.merge, origin, started, *origin.pixels.values())

    def merge_files(self, job: UploadJob) -> MergeResult:
        """Merge picture files. Raises InvalidRequest naming the file at fault."""
        if job.merge.figures:
            return self._merge_several_files(job)
        started = time.perf_counter()
        character = open_upright(job.character, "character", job.max_pixels)
        background = open_upright(job.background, "background", job.max_pixels)
        options, found = as_before(character, background, job)
        figure, place = figure_pixels(character), place_pixels(background)
        made = compose(figure, place, options, self._network, found)
        sources = declared_source(character), declared_source(background)
        origin = Origin(
            Provenance(combine(*sources)),
            {"character": Provenance(sources[0]), "background": Provenance(sources[1])},
            {"character": figure, "background": place},
        )
        return self._finished(made, job.merge, origin, started, *origin.pixels.values())

    def _finished(
        self,
        made: Composition | GroupComposition,
        job: MergeJob,
        origin: Origin,
        started: float,
        *files: Pixels,
    ) -> MergeResult:
        """Judge a composition, with its layers if they are returned and else with `files`; then finish it."""
        parts = origin.pixels.values() if job.layers else files
        safety = self._judge(made.picture, *parts)
        merged = finish(made, job, origin, self._writer, started)
        return replace(merged, picture=replace(merged.picture, safety=safety))


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
        # The original's merge optimizes its Huffman tables: 4 ms save a fiftieth of the bytes.
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
    """Return the clean layers of several figures as files, each figure's three named by its index."""
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
