"""Find what lies outside an outline and is not part of the figure: pale halos, and pockets of backdrop."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from deployments.imaging.cutout.backdrop import Labels, Mask, Plane, length, parts
from deployments.messages import Pixels

FAINT = 26.0
"""Delta E from the backdrop above which a pixel is no halo."""
LIGHTER = 3.0
"""Delta E of lightness: a halo, as left by sharpening, is lighter than the backdrop by more."""
NEARLY = 10.0
"""Delta E from the backdrop below which a pixel is the backdrop, darkened in a pocket of the figure."""
HUE = 12.0
"""The most Delta E of a and of b: a halo has hardly any colour."""
DARK = 110
"""The gray level below which a pixel counts as outline."""
LARGEST_SHARE = 0.02
"""The share of the figure's area above which a blob counts as a part of the figure."""
OPEN_SHARE = 0.15
"""The least share of a blob's rim that touches the backdrop."""
MOUTH_SHARE = 0.7
"""The least width of a gap's mouth, as a share of its mean width: a gap between legs is open at the foot."""
LINED_SHARE = 0.5
"""The least share of the rest of a blob's rim that lies along the outline."""

Counts = NDArray[np.int64]

_BLOB = np.ones((3, 3), np.uint8)
_NEAR = np.ones((5, 5), np.uint8)


def find_halo(figure: Mask, signed: Plane, seen: Pixels) -> Mask:
    """Find blobs of `figure` (h, w) outside its outline that are paler than the backdrop or nearly match it.

    `signed` (h, w, 3) is the deviation from the backdrop in Lab, `seen` (h, w, 3) the picture in RGB. A white
    sleeve within an outline hardly touches the backdrop; cloth without outlines has no outline beside it.
    Backdrop in a gap between legs touches the rest of the backdrop only at the foot.
    """
    hue = np.asarray(cv2.max(np.abs(signed[..., 1]), np.abs(signed[..., 2])))
    off = length(signed)
    pale = figure & (hue < HUE) & (((signed[..., 0] > LIGHTER) & (off < FAINT)) | (off < NEARLY))
    pale = cv2.morphologyEx(pale.astype(np.uint8), cv2.MORPH_OPEN, _BLOB) > 0
    if not pale.any():
        return pale
    labels, areas = parts(pale, 4)
    dark = cv2.erode(cv2.cvtColor(seen, cv2.COLOR_RGB2GRAY), _NEAR) < DARK
    blobs, kinds = _rims(labels, np.where(figure, np.where(dark, 2, 1), 0))
    touching = np.zeros((areas.size, 3), np.int64)
    np.add.at(touching, (blobs, kinds), 1)
    opened, plain, lined = touching.T
    halo = areas < LARGEST_SHARE * np.count_nonzero(figure)
    halo &= lined >= LINED_SHARE * (plain + lined)
    halo[0] = False
    wide = opened >= OPEN_SHARE * (opened + plain + lined)
    narrow = halo & ~wide & (opened > 0)
    if narrow.any():
        wide |= _gaps(narrow[labels], labels, areas, opened, off)
    return np.asarray((halo & wide)[labels])


def _gaps(seen: Mask, labels: Labels, areas: Counts, opened: Counts, off: Plane) -> NDArray[np.bool_]:
    """Return which blobs of `seen` nearly match the backdrop and open to it about as wide as they are."""
    rows, columns = np.nonzero(seen)
    blobs, at = labels[rows, columns], np.stack([rows, columns], axis=1)
    first, last = np.full((areas.size, 2), max(labels.shape)), np.zeros((areas.size, 2), np.int64)
    np.minimum.at(first, blobs, at)
    np.maximum.at(last, blobs, at)
    long = np.maximum((last - first + 1).max(axis=1), 1)
    mean = np.bincount(blobs, off[rows, columns], areas.size) / np.maximum(areas, 1)
    return np.asarray((opened >= MOUTH_SHARE * areas / long) & (mean < NEARLY))


def _rims(labels: Labels, kinds: Labels) -> tuple[Labels, Labels]:
    """Return, for each side of a blob of `labels` (h, w), the blob and which of `kinds` (h, w) it touches."""
    rows, columns = np.nonzero(labels)
    around, beside = np.pad(labels, 1, mode="edge"), np.pad(kinds, 1, mode="edge")
    blobs, touched = [], []
    for down, across in ((0, 1), (2, 1), (1, 0), (1, 2)):
        there = rows + down, columns + across
        side = around[there] != labels[rows, columns]
        blobs.append(labels[rows, columns][side])
        touched.append(beside[there][side])
    return np.concatenate(blobs), np.concatenate(touched)
