"""From a composition to what is answered: finish, mark, encode, and the layers where they are asked for."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass

from deployments.imaging.attribution import mark
from deployments.imaging.compositing import Composition
from deployments.imaging.enhancing import enhance
from deployments.imaging.layer_tags import KEY, tags_of
from deployments.imaging.provenance import Provenance
from deployments.imaging.writing import PictureWriter
from deployments.messages import LayerKind, MergeJob, MergeResult, OutputOptions, Picture, Pixels


@dataclass(frozen=True)
class Origin:
    """What is told of the picture and of each of its layers, and the pixels that these were."""

    picture: Provenance
    layers: Mapping[LayerKind, Provenance]
    pixels: Mapping[LayerKind, Pixels]


def finish(
    made: Composition, job: MergeJob, origin: Origin, writer: PictureWriter, started: float
) -> MergeResult:
    """`started` is when the merge began, in seconds of time.perf_counter."""
    picture = made.picture
    if job.enhance:
        picture = enhance(picture)
    if job.attribution is not None:
        picture = mark(picture, job.attribution)
    merged = time.perf_counter()
    encoded = writer.write(
        picture,
        job.output,
        origin.picture,
        ingredients=origin.pixels,
        # The best Huffman tables belong to the original's merge: 4 ms for a fiftieth of the bytes.
        optimize=made.mode == "paste",
    )
    layers = _layers(made, origin, writer) if job.layers else {}
    return MergeResult(
        encoded,
        made.mode,
        made.confidence,
        made.box,
        merge_ms=1e3 * (merged - started),
        output_ms=1e3 * (time.perf_counter() - merged),
        layers=layers,
        warnings=(made.reason,) if made.reason else (),
    )


def _layers(made: Composition, origin: Origin, writer: PictureWriter) -> dict[str, Picture]:
    lossless, tags = OutputOptions("png"), tags_of(made)
    images = {"character": made.parts.character, "background": made.parts.background}
    files = {
        kind: writer.write(images[kind], lossless, told, texts={KEY: tags[kind]})
        for kind, told in origin.layers.items()
    }
    mask = writer.write(made.parts.mask, lossless, Provenance())
    return {"character": files["character"], "background": files["background"], "mask": mask}
