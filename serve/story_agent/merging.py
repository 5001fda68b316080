"""ImageMergeService: two picture files into one, by the service, or here by the merger's own code."""

from __future__ import annotations

import asyncio
import logging
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from deployments.imaging.files.decoding import figure_pixels, place_pixels
from deployments.merger import Merger
from deployments.messages import LayerKind, LayerResult, LayerTimings, MergeJob, MergeOptions, OutputOptions
from scenewright import NotFound, Scenewright, ServerUnreachable

from .files import format_of, open_picture, write
from .settings import AgentSettings, default_settings

log = logging.getLogger(__name__)


class ImageMergeService:
    """Merges by IMAGE_MERGE_CONFIG: target_size, quality, character_position and blend_mode."""

    def __init__(self, service: Scenewright | None = None, settings: AgentSettings | None = None) -> None:
        self._settings = settings or default_settings()
        self._service = service or self._settings.connect()

    def merge_images(
        self, character_path: str | Path, background_path: str | Path, output_path: str | Path
    ) -> str:
        """Merge two files, and return the path written.

        Raises OSError for a file that is no picture, and ScenewrightError.
        """
        merge = self._settings.merge()
        output = OutputOptions(format_of(output_path), self._settings.config.merge.quality)
        files = Path(character_path), Path(background_path)
        contents = [file.read_bytes() for file in files]
        asked = {"format": output.format, "quality": output.quality}
        try:
            data = self._service.merge(*contents, merge=merge, output=asked).data
        except (NotFound, ServerUnreachable) as error:
            log.warning("merging here, without the service: %s", error)
            options = MergeOptions(merge["mode"], merge["position"], merge["width"], merge["height"])
            data = _merge_here(files, options, output)
        return write(output_path, data)


def _merge_here(files: tuple[Path, Path], options: MergeOptions, output: OutputOptions) -> bytes:
    layers = _layer("character", files[0]), _layer("background", files[1])

    def merge() -> bytes:
        return asyncio.run(Merger().merge(MergeJob("merge", options, output), *layers)).picture.data

    # In a thread of its own: a notebook or an asynchronous view has an event loop in this one.
    with ThreadPoolExecutor(1) as elsewhere:
        return elsewhere.submit(merge).result()


def _layer(kind: LayerKind, file: Path) -> LayerResult:
    """Read a file in place of what a generator painted."""
    opened = open_picture(file)
    pixels = figure_pixels(opened) if kind == "character" else place_pixels(opened)
    return LayerResult(kind, pixels, 0, "file", "diffusers", LayerTimings(0.0, 0.0, 0.0, 0.0))
