"""Cut a figure off a plain backdrop, with a keyer that learns the backdrop in place of a known blue screen.

The border band shows the backdrop's surface. Floods from the border find what surely lies on it, also in soft
shadow. From that the backdrop is learned again, under the figure too. What deviates from it, or is enclosed
by what deviates, is figure, except for a pale halo outside its outline. In the band between them coverage is
solved for. If the keyer is unsure and there is a network, the network cuts the figure out.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np

from deployments.imaging.cutout.backdrop import Mask, Plane, fit_border, length, parts, to_lab
from deployments.imaging.cutout.confidence import confidence, gather
from deployments.imaging.cutout.figure_mask import gather_evidence, solid
from deployments.imaging.cutout.halo import find_halo
from deployments.imaging.cutout.sure_backdrop import LEAST_BACKDROP, learn
from deployments.messages import Pixels

BAND_PX = 2
LEAST_CONTRAST = 18.0
"""RGB levels between figure and backdrop: with less, coverage cannot be separated from noise."""
CLIP = 0.04
OWN_FROM = 14.0
"""RGB levels off every mixture of figure and backdrop: at twice as many, the colour is only an outline's."""
PALE_BY = 14.0
"""RGB levels by which a pale rim is lighter than both the figure and the backdrop."""
CHIP_ALPHA, CHIP_SHARE = 63.5 / 255, 0.001
"""The alpha from which a part is visible, 64 of 255; and the share of the figure below which it is a chip."""

_BAND = np.ones((2 * BAND_PX + 1,) * 2, np.uint8)
_RIM = np.ones((3, 3), np.uint8)
Window = tuple[slice, slice]
SMALL_PX = 128
MIDDLE_PX = 256
LEAST_CONFIDENCE = 0.5


def resolve_edges(pixels: Pixels, backdrop: Plane, figure: Mask, off: Plane) -> tuple[Pixels, Plane]:
    """Return `pixels` (h, w, 3) with clean colours at the edge, and the coverage alpha (h, w) 0..1.

    `backdrop` (h, w, 3) is in RGB levels, `off` (h, w) the distance to it. In a band of two pixels around the
    figure alpha is the projection of I - B on F - B and the clean colour B + (I - B) / alpha, the solution of
    I = alpha F + (1 - alpha) B (Smith & Blinn, "Blue screen matting", 1996), F being the figure nearby.
    """
    solid = figure.astype(np.uint8)
    inner = cv2.erode(solid, _BAND, borderValue=1)
    rows, columns = np.nonzero(cv2.dilate(solid, _BAND) != inner)
    alpha = inner.astype(np.float32)
    clean = pixels.copy()
    if not rows.size:
        return clean, alpha

    deep = cv2.erode(solid, _RIM, borderValue=1)
    on_rim = ((deep == 0) & (cv2.dilate(deep, _BAND) > 0))[rows, columns]
    near = _nearby_figure(pixels, solid, off)[rows // 2, columns // 2]
    behind = backdrop[rows, columns]
    seen = pixels[rows, columns].astype(np.float32)
    way = near - behind
    length = np.einsum("ij,ij->i", way, way)
    cover = np.einsum("ij,ij->i", seen - behind, way) / np.maximum(length, 1)
    cover = np.clip((cover - CLIP) / (1 - 2 * CLIP), 0, 1)
    # An outline darker than the figure and the backdrop is no mixture of them.
    left = seen - behind - cover[:, None] * way
    darker = seen.sum(1) < np.minimum(near.sum(1), behind.sum(1))
    own = np.clip((np.sqrt(np.einsum("ij,ij->i", left, left)) - OWN_FROM) / OWN_FROM, 0, 1) * darker
    soft_cover = cv2.GaussianBlur(solid.astype(np.float32), (3, 3), 0)[rows, columns]
    sharp = np.clip((np.sqrt(length) - LEAST_CONTRAST) / LEAST_CONTRAST, 0, 1)
    cover = soft_cover + (cover - soft_cover) * sharp * (1 - own)
    alpha[rows, columns] = cover
    _without_chips(alpha)
    cover = alpha[rows, columns]

    unmixed = behind + (seen - behind) / np.maximum(cover, 0.1)[:, None]
    trust = (np.clip((cover - 0.1) / 0.4, 0, 1) * sharp)[:, None]
    color = near + (unmixed - near) * trust
    color += (seen - color) * own[:, None]
    # A line lighter than both sides was left by sharpening, and is not part of the figure.
    pale = (seen.sum(1) > np.maximum(near.sum(1), behind.sum(1)) + 3 * PALE_BY) & on_rim
    color[pale] = near[pale]
    clean[rows, columns] = np.clip(np.rint(color), 0, 255).astype(np.uint8)
    return clean, alpha


def _without_chips(alpha: Plane) -> None:
    """Clear visible parts of `alpha` (h, w) that stand apart and are smaller than a thousandth of it."""
    seen = (alpha >= CHIP_ALPHA).astype(np.uint8)
    labels, areas = parts(seen)
    if areas.size <= 2:
        return
    small = areas < CHIP_SHARE * areas.sum()
    small[0] = False
    if small.any():
        alpha[cv2.dilate(small[labels].astype(np.uint8), _RIM) * (seen == 0) + small[labels] > 0] = 0


def _nearby_figure(pixels: Pixels, solid: Pixels, off: Plane) -> Plane:
    """Return (h/2, w/2, 3) RGB: the figure's mean colour around each pixel, from nearby or else farther off.

    Pixels far from the backdrop's colour weigh more: they are the outline, not its blend with the backdrop.
    """
    inside = cv2.erode(solid, _RIM, borderValue=1)
    half = np.s_[::2, ::2]
    weight = inside[half] * (off[half] * off[half] + np.float32(1e-3))
    weighted = cv2.merge([*(channel * weight for channel in cv2.split(pixels[half])), weight])
    total = cv2.blur(weighted, (5, 5)) + np.float32(1e-3) * cv2.blur(weighted, (17, 17))
    return np.asarray(total[..., :3] / np.maximum(total[..., 3:], 1e-6), np.float32)


@dataclass(frozen=True)
class Cutout:
    """A cut-out figure.

    `foreground` (h, w, 3) RGB without the backdrop's colour; `alpha` (h, w); `confidence` 0..1.
    """

    foreground: Pixels
    alpha: Pixels
    confidence: float

    def rgba(self) -> Pixels:
        """Return the figure (h, w, 4), black elsewhere: a viewer that ignores alpha shows no backdrop."""
        return np.dstack([self.foreground * (self.alpha > 0)[..., None], self.alpha])


def cut_out(pixels: Pixels) -> Cutout:
    """Cut the figure out of (h, w, 3) RGB; RGBA keeps its own alpha.

    The same pixels give the same bytes.
    """
    if pixels.shape[2] == 4:
        return Cutout(np.ascontiguousarray(pixels[..., :3]), np.ascontiguousarray(pixels[..., 3]), 1.0)
    high, wide = pixels.shape[:2]
    fit = fit_border(to_lab(_within(pixels, SMALL_PX)))
    surface, sure = learn(_within(pixels, MIDDLE_PX), fit)
    if sure.mean() < LEAST_BACKDROP:
        return Cutout(pixels, np.zeros((high, wide), np.uint8), 0.0)

    # Only the figure's surroundings need deciding, which halves the work for most full figures.
    window, middle_window = _surroundings(sure, high, wide)
    seen, surface = pixels[window], surface[middle_window]
    size = (seen.shape[1], seen.shape[0])
    sure = cv2.resize(sure[middle_window].astype(np.uint8), size, interpolation=cv2.INTER_NEAREST) > 0
    backdrop = np.asarray(cv2.resize(_to_rgb(surface), size, interpolation=cv2.INTER_LINEAR), np.float32)
    evidence = gather_evidence(seen, surface, backdrop, sure)
    figure = solid(evidence)
    figure &= ~find_halo(figure, evidence.signed, seen)
    clean, cover = resolve_edges(seen, backdrop, figure, length(evidence.signed))
    picture = (high, wide, window[0].start, window[1].start)
    trusted = confidence(gather(fit, figure, cover, evidence, picture))

    foreground, alpha = pixels.copy(), np.zeros((high, wide), np.uint8)
    foreground[window], alpha[window] = clean, np.rint(cover * 255).astype(np.uint8)
    return Cutout(foreground, alpha, trusted)


def _surroundings(sure: Mask, high: int, wide: int) -> tuple[Window, Window]:
    """Return the window that may not be backdrop, at the full size (high, wide) and at the size of `sure`."""
    x, y, across, down = cv2.boundingRect((~sure).astype(np.uint8))
    x, y, right, bottom = max(0, x - 3), max(0, y - 3), x + across + 3, y + down + 3
    right, bottom = min(right, sure.shape[1]), min(bottom, sure.shape[0])
    scale_x, scale_y = wide / sure.shape[1], high / sure.shape[0]
    full = np.s_[round(y * scale_y) : round(bottom * scale_y), round(x * scale_x) : round(right * scale_x)]
    return full, np.s_[y:bottom, x:right]


def _to_rgb(lab: Plane) -> Plane:
    return np.asarray(255 * cv2.cvtColor(lab, cv2.COLOR_LAB2RGB), np.float32)


def _within(pixels: Pixels, longest_px: int) -> Pixels:
    scale = min(1.0, longest_px / max(pixels.shape[:2]))
    size = (max(1, round(pixels.shape[1] * scale)), max(1, round(pixels.shape[0] * scale)))
    return np.asarray(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA), np.uint8)


Matte = Callable[[Pixels], Cutout]
"""A function that cuts the figure out of (h, w, 3) RGB."""


def climb(pixels: Pixels, network: Matte | None = None) -> tuple[Cutout, str]:
    """Return the first cut-out of at least 0.5 confidence, else the better; and why it is not the keyer's.

    A picture with transparency is its own cut-out.
    """
    keyed = cut_out(pixels)
    if keyed.confidence >= LEAST_CONFIDENCE or network is None:
        return keyed, ""
    seen = network(pixels)
    if seen.confidence <= keyed.confidence:
        return keyed, ""
    return seen, f"the backdrop is not plain (confidence {keyed.confidence:.2f}): a matting model cut it out"
