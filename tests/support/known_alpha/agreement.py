"""Compare cut-outs with the known alpha, and their confidence with their quality."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from deployments.messages import Pixels
from tests.support.known_alpha.figure import Plane
from tests.support.known_alpha.sets import Sample


def overlap(alpha: Pixels, true: Plane) -> float:
    """Return the intersection of both figures over their union; `alpha` is 0..255, `true` 0..1."""
    found, drawn = alpha >= 128, true >= 0.5
    return int(np.count_nonzero(found & drawn)) / max(1, int(np.count_nonzero(found | drawn)))


def rank_correlation(one: Sequence[float], other: Sequence[float]) -> float:
    """Return Spearman's rank correlation; equal values share the mean of their ranks."""
    return float(np.corrcoef(_ranks(one), _ranks(other))[0, 1])


def folder(path: Path) -> Iterator[Sample]:
    """Read each NAME.jpg or NAME.png and the NAME-alpha.png beside it, sorted by name."""
    for alpha in sorted(path.glob("*-alpha.png")):
        name = alpha.name.removesuffix("-alpha.png")
        painted = next(found for kind in ("jpg", "png") if (found := path / f"{name}.{kind}").exists())
        with Image.open(painted) as picture, Image.open(alpha) as cover:
            yield Sample(np.asarray(picture.convert("RGB")), np.asarray(cover.convert("L"), np.float32) / 255)


def report(name: str, found: Iterable[tuple[float, float]]) -> list[tuple[float, float]]:
    """Print a line that summarises a set's pairs of IoU and confidence, and return the pairs."""
    pairs = list(found)
    overlaps, trusted = np.array([pair[0] for pair in pairs]), np.array([pair[1] for pair in pairs])
    poor = overlaps < 0.9
    print(
        f"{name:14}{overlaps.mean():8.4f}{overlaps.min():8.3f}{int(poor.sum()):8d}"
        f"{int((poor & (trusted >= 0.8)).sum()):12d}{trusted.mean():12.2f}{(trusted >= 0.5).mean():10.1%}",
        flush=True,
    )
    return pairs


def _ranks(values: Sequence[float]) -> Plane:
    column = np.asarray(values, np.float64)
    below = (column[None] < column[:, None]).sum(1)
    return np.asarray(below + ((column[None] == column[:, None]).sum(1) - 1) / 2, np.float32)
