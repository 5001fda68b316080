"""Merge two picture files on this machine, for Story Agent's classes when no service responds.

The client finds this module through the entry point `scenewright.local_merge` (pyproject.toml).
"""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from deployments.errors import InvalidRequest
from deployments.imaging.files.decoding import figure_pixels, open_upright, place_pixels
from deployments.merger import Merger
from deployments.messages import LayerKind, LayerResult, LayerTimings, MergeJob, MergeOptions, OutputOptions

MAX_PIXELS = 64_000_000


def merge_files(character: Path, background: Path, merge: dict[str, Any], output: dict[str, Any]) -> bytes:
    """Merge two files as a request's `merge` and `output` say. Raises OSError if a file is not a picture."""
    options = MergeOptions(merge["mode"], merge["position"], merge["width"], merge["height"])
    job = MergeJob("merge", options, OutputOptions(output["format"], output["quality"]))
    layers = _layer("character", character), _layer("background", background)

    def merged() -> bytes:
        return asyncio.run(Merger().merge(job, *layers)).picture.data

    # Use a separate thread: in a notebook or an async view this one already runs an event loop.
    with ThreadPoolExecutor(1) as elsewhere:
        return elsewhere.submit(merged).result()


def _layer(kind: LayerKind, file: Path) -> LayerResult:
    """Read a file as if a generator had painted it."""
    try:
        opened = open_upright(file.read_bytes(), str(file), MAX_PIXELS)
    except InvalidRequest as error:
        raise OSError(error.message) from None
    pixels = figure_pixels(opened) if kind == "character" else place_pixels(opened)
    return LayerResult(kind, pixels, 0, "file", "diffusers", LayerTimings(0.0, 0.0, 0.0, 0.0))
