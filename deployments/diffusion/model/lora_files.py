"""List the LoRAs in the operator's folder by name and hash, and say which cannot be used, without torch."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from math import prod
from pathlib import Path

from deployments.diffusion.model.family import Family
from deployments.diffusion.model.model_files import check_single_file
from deployments.diffusion.model.safetensors_header import Header
from deployments.errors import NotReady

log = logging.getLogger(__name__)

UNREAD_FORMS: Mapping[str, str] = {
    ".hada_w": "a LoHa (LyCORIS)",
    ".lokr_": "a LoKr (LyCORIS)",
    ".oft_": "an OFT network",
    ".lora_mid.": "a LoCon in Tucker form (LyCORIS)",
    ".dora_scale": "a DoRA",
    "lora_magnitude_vector": "a DoRA",
    "bundle_emb.": "a LoRA with bundled embeddings",
}
"""Adapters that diffusers' loader does not read, or only in part, by a piece of their tensors' names."""
OTHER_FAMILIES: Mapping[str, str] = {
    "transformer.": "a model with a transformer, such as Flux or Stable Diffusion 3",
    "lora_transformer_": "a model with a transformer, such as Flux or Stable Diffusion 3",
    "lora_unet_double_blocks_": "Flux",
    "lora_unet_single_blocks_": "Flux",
    "lora_unet_joint_blocks_": "Stable Diffusion 3",
    "diffusion_model.": "a model other than Stable Diffusion 1, 2 or XL",
    "lora_prior_": "Stable Cascade",
}
HALVES = (".lora_down.weight", ".lora_up.weight")
LORA_PIECES = ("lora", "hada_w", "lokr_", "oft_")
SUFFIX = ".safetensors"
MOST_FILES = 2_000
"""The most files used of a folder, first by name, since each is checked whenever a request names a LoRA."""
LONGEST_NAME = 200


@dataclass(frozen=True, kw_only=True)
class LoraFile:
    """A file of the folder. `numbers` counts its values. `fault` is why it cannot be used, or empty."""

    name: str
    path: Path
    sha256: str
    size_bytes: int
    numbers: int
    fault: str = ""


def lora_files(folder: str | None, family: Family) -> dict[str, LoraFile]:
    """Return the LoRAs of a folder by name, which is the file's name without its suffix.

    The folder is listed at each call, but a file is read again only if it has changed. A missing folder has
    no LoRAs.
    """
    if folder is None:
        return {}
    found: dict[str, LoraFile] = {}
    for path in _paths(folder):
        try:
            state = path.stat()
            found[path.stem] = _read(path, state.st_size, state.st_mtime_ns, family.denoiser == "unet")
        except OSError as error:  # It was removed meanwhile, or cannot be read.
            log.warning("the LoRA %s cannot be read: %s", path.name, error.strerror)
    return found


def form_fault(header: Header, over_unet: bool) -> str | None:
    """Return why a LoRA of this form cannot be laid over a model, None if it can."""
    for piece, form in UNREAD_FORMS.items():
        if any(piece in name for name in header.names):
            return f"it is {form}"
    for prefix, family in OTHER_FAMILIES.items() if over_unet else ():
        if any(name.startswith(prefix) for name in header.names):
            return f"it is for {family}"
    for name in sorted(header.names):
        for half, other in (HALVES, HALVES[::-1]):
            if name.endswith(half) and (partner := name.removesuffix(half) + other) not in header:
                return f"its weight {partner} is missing"
    return None


def is_lora(header: Header) -> bool:
    return any(piece in name.lower() for name in header.names for piece in LORA_PIECES)


def file_hash(path: Path) -> str:
    """Return the SHA-256 of a file's bytes. Raises OSError."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _paths(folder: str) -> list[Path]:
    try:
        inside = Path(folder).expanduser().iterdir()
        paths = sorted(path for path in inside if path.suffix == SUFFIX and path.is_file())
    except OSError as error:
        log.warning("the folder of LoRAs cannot be read: %s", error.strerror)
        return []
    named = [path for path in paths if len(path.stem) <= LONGEST_NAME and path.stem.isprintable()]
    if len(named) > MOST_FILES:
        log.warning("only the first %d of %d LoRAs are offered", MOST_FILES, len(named))
    return named[:MOST_FILES]


@lru_cache(maxsize=2 * MOST_FILES)
def _read(path: Path, size_bytes: int, _changed_ns: int, over_unet: bool) -> LoraFile:
    sha256, numbers = file_hash(path), 0
    try:
        header = check_single_file(path)
    except NotReady as error:
        fault = error.message
    else:
        fault = (form_fault(header, over_unet) if is_lora(header) else "it is not a LoRA") or ""
        numbers = sum(prod(shape) for shape in header.shapes.values())
    return LoraFile(
        name=path.stem, path=path, sha256=sha256, size_bytes=size_bytes, numbers=numbers, fault=fault
    )
