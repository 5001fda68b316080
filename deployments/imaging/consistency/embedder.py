"""Embed figures with a vision network, such as CLIP or DINO, from a folder that the operator provides.

transformers loads it, only from safetensors, and fetches nothing. It runs on the CPU.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from pydantic import Field

from deployments.imaging.consistency.figure_view import FigureView

Share = Annotated[float, Field(ge=0, le=0.99)]


@dataclass(frozen=True)
class ConsistencyConfig:
    """`embedder`: the folder of a vision network in transformers' format, with its preprocessor_config.json.

    None: figures are compared only by palette and silhouette. `unlike_cosine`: the cosine at which two
    figures have nothing in common, about 0.6 for CLIP, whose cosines are never low, and 0 for DINO.
    """

    __pydantic_config__: ClassVar[dict[str, str]] = {"extra": "forbid"}

    embedder: Annotated[str, Field(min_length=1)] | None = None
    unlike_cosine: Share = 0.0


class Embedder:
    """A loaded network. Raises ValueError if the folder holds none that transformers can load."""

    def __init__(self, config: ConsistencyConfig) -> None:
        from transformers import AutoImageProcessor, AutoModel

        folder = Path(str(config.embedder)).expanduser()
        if not folder.is_dir():
            raise ValueError(f"consistency.embedder: {config.embedder} is not a folder")
        self._unlike = config.unlike_cosine
        options: dict[str, Any] = {"local_files_only": True, "trust_remote_code": False}
        try:
            self._processor: Any = AutoImageProcessor.from_pretrained(  # nosec B615 (from the folder alone)
                str(folder), backend="pil", **options
            )
            model: Any = AutoModel.from_pretrained(  # nosec B615
                str(folder), use_safetensors=True, **options
            )
        except (OSError, ValueError, KeyError, ImportError) as error:
            raise ValueError(f"consistency.embedder: {config.embedder} cannot be loaded: {error}") from None
        self._model = model.eval().requires_grad_(False)

    def embed(self, view: FigureView) -> NDArray[np.float32]:
        """Return a vector of length 1 for a figure, shown on plain grey in a square."""
        cover = view.cover[..., None]
        seen = np.rint(view.color * cover + 127 * (1 - cover)).astype(np.uint8)
        side = max(seen.shape[:2])
        square = Image.new("RGB", (side, side), (127, 127, 127))
        square.paste(Image.fromarray(seen), ((side - seen.shape[1]) // 2, (side - seen.shape[0]) // 2))
        read = self._processor(images=square, return_tensors="pt")
        of_pictures = getattr(self._model, "get_image_features", self._model)
        made = of_pictures(pixel_values=read["pixel_values"])
        pooled = getattr(made, "pooler_output", None)
        vector = pooled if pooled is not None else made.last_hidden_state[:, 0]
        flat = np.asarray(vector.float().numpy(), np.float32).ravel()
        return flat / max(float(np.linalg.norm(flat)), 1e-6)

    def similarity(self, ours: NDArray[np.float32], theirs: NDArray[np.float32]) -> float:
        """Return 0..1, from the cosine of the two vectors."""
        return float(np.clip((float(ours @ theirs) - self._unlike) / (1 - self._unlike), 0, 1))
