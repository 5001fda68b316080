"""Read the files that a job's scene is painted from, when it is about to be painted."""

from __future__ import annotations

from ..graph.scene_job import SceneJob
from ..http.error_responses import Refusal
from ..pictures.picture_files import Damaged, Pictures
from .single_layers import SingleLayer


def read_files(pictures: Pictures, job: SceneJob | SingleLayer) -> dict[str, bytes]:
    """Return the files that a scene's layers name, by name.

    Raises Refusal 410 if one is damaged, and OSError if the store is not available.
    """
    files: dict[str, bytes] = {}
    for layer in job.layers:
        named = [*layer.files_by_param.items(), *([("cast", layer.reference)] if layer.reference else [])]
        for param, name in named:
            if name in files:
                continue
            try:
                files[name] = pictures.get(name)
            except Damaged as damage:
                message = f"the input picture of {layer.path} was found {damage.how}"
                raise Refusal(410, "gone", message, f"{layer.path}.{param}") from None
    return files
