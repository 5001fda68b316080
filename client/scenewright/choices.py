"""List the values that a request may choose from, as the service spells them."""

from __future__ import annotations

from typing import Literal

LayerKind = Literal["character", "background"]
Fallback = Literal["none", "reduce", "placeholder"]
MergeMode = Literal["auto", "cutout", "paste"]
Position = Literal["left", "center", "right"]
PictureFormat = Literal["jpeg", "png", "webp"]
BookKind = Literal["pdf", "epub", "zip"]
MAX_FIGURES = 4
MAX_REFERENCES = 4
MAX_GUIDANCE_CACHE = 8
