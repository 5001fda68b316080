"""Merge two picture files into one: by the service, or on this machine if it does not respond."""

from __future__ import annotations

import logging
from collections.abc import Callable
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

from PIL import Image, ImageEnhance

from ..errors import NotFound, ServerUnreachable
from ..synchronous import Scenewright
from .files import format_of, on_white, open_picture, save, write
from .settings import AgentSettings, default_settings

log = logging.getLogger(__name__)
GROUP = "scenewright.local_merge"
"""The entry point group of the service's own merger, if the service is installed beside the client."""
PASTE_CONTRAST = 1.1

LocalMerge = Callable[[Path, Path, dict[str, Any], dict[str, Any]], bytes]
"""From the character's and background's files, and the request's `merge` and `output`, to the merged file."""


class ImageMergeService:
    """Merge files as IMAGE_MERGE_CONFIG sets: target_size, quality, character_position and blend_mode."""

    def __init__(self, service: Scenewright | None = None, settings: AgentSettings | None = None) -> None:
        self._settings = settings or default_settings()
        self._service = service or self._settings.connect()

    def merge_images(
        self, character_path: str | Path, background_path: str | Path, output_path: str | Path
    ) -> str:
        """Merge two files, and return the path written.

        If no service responds, the files are merged on this machine: by the service's own merger if it is
        installed, else by a plain paste. If `blend_mode` is `cutout`, there is no plain paste: the error is
        raised. Raises OSError for a file that is not a picture, and ScenewrightError.
        """
        merge = self._settings.merge()
        output: dict[str, Any] = {
            "format": format_of(output_path),
            "quality": self._settings.merging.quality,
        }
        character, background = Path(character_path), Path(background_path)
        contents = character.read_bytes(), background.read_bytes()
        try:
            return write(output_path, self._service.merge(*contents, merge=merge, output=output).data)
        except (NotFound, ServerUnreachable) as error:
            local = _installed_merger()
            if local is None and merge["mode"] == "cutout":
                raise
            log.warning("merging on this machine, without the service: %s", error)
        if local is not None:
            return write(output_path, local(character, background, merge, output))
        return save(_pasted(character, background, merge), output_path, output["quality"])


def _installed_merger() -> LocalMerge | None:
    for point in entry_points(group=GROUP):
        merger: LocalMerge = point.load()
        return merger
    return None


def _pasted(character: Path, background: Path, merge: dict[str, Any]) -> Image.Image:
    """Paste the character over half of the frame, as the service's `merge.mode: paste` does."""
    width, height = merge["width"], merge["height"]
    frame = on_white(open_picture(background)).resize((width, height), Image.Resampling.LANCZOS)
    half = width // 2
    figure = open_picture(character).convert("RGBA").resize((half, height), Image.Resampling.LANCZOS)
    left = {"left": 0, "center": (width - half) // 2, "right": half}[merge["position"]]
    frame.paste(figure, (left, 0), figure)
    return ImageEnhance.Contrast(frame).enhance(PASTE_CONTRAST)
