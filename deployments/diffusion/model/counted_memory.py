"""Count the GPU memory that a model on this machine needs from its files' headers, reading no tensor."""

from __future__ import annotations

from collections import Counter
from math import prod
from pathlib import Path

from deployments.diffusion.model.safetensors_header import Header, read_header
from deployments.diffusion.model.weights import MissingShard, choose
from deployments.errors import NotReady

HALF_BYTES = 2
PICTURES_GB = 2.0
"""Memory for the pictures under way."""
NOT_LOADED = frozenset({"model_ema", "safety_checker", "preview_vae"})


def counted_memory_gb(place: Path) -> tuple[float, float] | None:
    """Return (least, most) as docs/models.md counts it, None if there are no weights that can be read.

    It counts in half precision: the largest network alone with `offload: model`, or all of them, plus
    pictures.
    """
    try:
        parameters = _in_file(read_header(place, place.name)) if place.is_file() else _in_folder(place)
    except (NotReady, MissingShard, OSError):  # Loading says what is wrong.
        return None
    if not parameters.total():
        return None
    networks = (max(parameters.values()), parameters.total())
    least, most = (round(HALF_BYTES * count / 1e9 + PICTURES_GB, 1) for count in networks)
    return least, most


def _in_folder(place: Path) -> Counter[str]:
    """Count the parameters of each part of a model in diffusers' format."""
    parameters: Counter[str] = Counter()
    for part in sorted(place.iterdir()):
        if part.name in NOT_LOADED or not part.is_dir():
            continue
        files = choose((file.name for file in part.iterdir()), "float16")
        for name in files.names if files is not None else ():
            parameters[part.name] += _count(read_header(part / name, name))
    return parameters


def _in_file(header: Header) -> Counter[str]:
    """Count the parameters of each network in a single file, by the first part of their names."""
    parameters: Counter[str] = Counter()
    for name, shape in header.shapes.items():
        network = name.partition(".")[0]
        if network not in NOT_LOADED:
            parameters[network] += prod(shape)
    return parameters


def _count(header: Header) -> int:
    return sum(prod(shape) for shape in header.shapes.values())
