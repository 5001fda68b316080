"""Merge two picture files on this machine, for Story Agent's classes where no service answers.

The client finds it by the entry point `scenewright.local_merge` (pyproject.toml).
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
    """Merge two files by a request's `merge` and `output`. Raises OSError for what is not a picture."""
    options = MergeOptions(merge["mode"], merge["position"], merge["width"], merge["height"])
    job = MergeJob("merge", options, OutputOptions(output["format"], output["quality"]))
    layers = _layer("character", character), _layer("background", background)

    def merged() -> bytes:
        return asyncio.run(Merger().merge(job, *layers)).picture.data

    # In a thread of its own: a notebook or an asynchronous view has an event loop in this one.
    with ThreadPoolExecutor(1) as elsewhere:
        return elsewhere.submit(merged).result()


def _layer(kind: LayerKind, file: Path) -> LayerResult:
    """Read a file in place of what a generator painted."""
    try:
        opened = open_upright(file.read_bytes(), str(file), MAX_PIXELS)
    except InvalidRequest as error:
        raise OSError(error.message) from None
    pixels = figure_pixels(opened) if kind == "character" else place_pixels(opened)
    return LayerResult(kind, pixels, 0, "file", "diffusers", LayerTimings(0.0, 0.0, 0.0, 0.0))
