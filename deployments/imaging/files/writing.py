"""Write the files that leave the service: encoded, their provenance inside, signed where that is set up."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from PIL import Image

from deployments.imaging.files.encoding import encode
from deployments.imaging.files.signing import PictureSigner, SigningConfig
from deployments.imaging.marks.provenance import Provenance, ProvenanceConfig
from deployments.messages import OutputOptions, Picture, Pixels

INGREDIENT = OutputOptions("jpeg", 90)
"""Format of a layer that a signature names: only its hash goes into the file."""


class PictureWriter:
    """Write pictures. Raises ValueError where signing is set up and cannot work."""

    def __init__(self, config: ProvenanceConfig, signing: SigningConfig | None = None) -> None:
        self._config = config
        self._signer = PictureSigner(signing) if signing is not None else None

    def write(
        self,
        image: Image.Image | Pixels,
        output: OutputOptions,
        told: Provenance,
        *,
        ingredients: Mapping[str, Pixels] | None = None,
        texts: dict[str, str] | None = None,
        optimize: bool = False,
    ) -> Picture:
        """Write the file, with `told` as far as the operator allows. A signature names the `ingredients`."""
        embedded = told if self._config.prompts else replace(told, prompts="")
        picture = encode(image, output, optimize, embedded if self._config.embed else None, texts)
        if self._signer is None:
            return picture
        parts: dict[str, Picture] = {
            title: encode(pixels, INGREDIENT) for title, pixels in (ingredients or {}).items()
        }
        return self._signer.sign(picture, told.source, parts)
