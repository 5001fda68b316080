"""Sign pictures by C2PA: state in the file what it is made of, for operators who have a certificate.

Needs the `c2pa` extra. Each signature is new, so two signed files of one picture differ in bytes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from io import BytesIO
from pathlib import Path
from types import MappingProxyType
from typing import ClassVar, Literal

from deployments.imaging.marks.provenance import SOFTWARE, VOCABULARY, Source
from deployments.messages import Picture

PART, INPUT = "componentOf", "inputTo"
_AGENT = dict(zip(("name", "version"), SOFTWARE.split(), strict=True))
_QUICK = {"builder": {"thumbnail": {"enabled": False}}, "verify": {"verify_after_sign": False}}
"""A thumbnail and a second reading of the file would cost more than the signature."""


@dataclass(frozen=True)
class SigningConfig:
    """The signing key.

    `certificate` is a PEM file of the whole chain, leaf first; `key` is a PEM file with the leaf's (PKCS #8).
    """

    __pydantic_config__: ClassVar[dict[str, str]] = {"extra": "forbid"}

    certificate: str
    key: str
    algorithm: Literal["es256", "es384", "es512", "ps256", "ps384", "ps512", "ed25519"] = "es256"


class PictureSigner:
    """Sign pictures. Raises ValueError if the extra, the certificate or the key is missing."""

    def __init__(self, config: SigningConfig) -> None:
        try:
            import c2pa
        except ImportError:
            raise ValueError("signing needs the c2pa extra: pip install 'scenewright[c2pa]'") from None
        self._c2pa = c2pa
        try:
            chain, key = (Path(file).expanduser().read_bytes() for file in (config.certificate, config.key))
        except OSError as error:
            raise ValueError(f"signing: the certificate or its key cannot be read: {error}") from error
        # No time stamp authority: a replica opens no connection to the outside.
        self._identity = c2pa.C2paSignerInfo(config.algorithm, chain, key, None)
        try:
            c2pa.Signer.from_info(self._identity).close()
        except c2pa.C2paError as error:
            raise ValueError(f"signing: the certificate and its key do not work: {error}") from error

    def sign(
        self,
        picture: Picture,
        source: Source | None,
        ingredients: Mapping[str, Picture],
        inputs: Mapping[str, str] = MappingProxyType({}),
    ) -> Picture:
        """Return the same picture with a manifest that says we created it from the `ingredients`, by title.

        `inputs` are the files that a model painted from, by title, each the SHA-256 of its file.
        """
        c2pa = self._c2pa
        made: dict[str, object] = {"action": "c2pa.created", "softwareAgent": _AGENT}
        if inputs:
            made["parameters"] = {"ingredientIds": list(inputs)}
        if source is not None:
            made["digitalSourceType"] = VOCABULARY + source
        placed = [
            {"action": "c2pa.placed", "parameters": {"ingredientIds": [title]}} for title in ingredients
        ]
        manifest = {
            "claim_generator_info": [_AGENT],
            "title": f"picture.{picture.format}",
            "ingredients": [_input(title, name) for title, name in inputs.items()],
            "assertions": [{"label": "c2pa.actions.v2", "data": {"actions": [made, *placed]}}],
        }
        signed = BytesIO()
        with (
            c2pa.Context(c2pa.Settings.from_dict(_QUICK)) as context,
            c2pa.Builder(manifest, context) as builder,
            c2pa.Signer.from_info(self._identity) as signer,
        ):
            for title, part in ingredients.items():
                described = {"title": title, "label": title, "instance_id": title, "relationship": PART}
                builder.add_ingredient(described, f"image/{part.format}", BytesIO(part.data))
            builder.sign(signer, f"image/{picture.format}", BytesIO(picture.data), signed)
        return replace(picture, data=signed.getvalue())


def _input(title: str, name: str) -> dict[str, str]:
    """Return the ingredient for a file that is known only by its hash."""
    hashed = f"sha256:{name}"
    described = {"title": title, "label": title, "instance_id": hashed, "description": hashed}
    return {**described, "format": "image/png", "relationship": INPUT}
