"""Collect the words that a model is taught, and suggestions for prompts beyond them.

They are stored beside the weights, and the service warns if a description has other words. If there are
several words for one thing, only those that captions use are known.
"""

from __future__ import annotations

import json
import random
import re
from pathlib import Path
from typing import Any

from deployments.diffusion.model.known_words import FILE
from models.training.figures.figure_spec import COLORS, GARMENTS, ITEMS, ROLES
from models.training.places.place_spec import KINDS, TIMES, WEATHERS
from models.training.subjects import Subject

CAPTIONS = 20_000
"""The number of captions to sample, enough to include the rarest word."""
OFFERS: dict[str, dict[str, tuple[str, ...]]] = {
    "character": {
        "figures": ROLES,
        "clothes": GARMENTS,
        "colours": tuple(COLORS),
        "things to hold": ITEMS,
    },
    "background": {"places": KINDS, "times": TIMES, "weather": WEATHERS},
}


def collect_words(subject: Subject, captions: int = CAPTIONS) -> dict[str, Any]:
    """Return the content of known_words.json: every word of the captions, and the suggestions."""
    rng = random.Random(0)
    words: set[str] = set()
    for _ in range(captions):
        words.update(re.findall(r"[^\W\d_]+", subject.caption(subject.sample(rng), rng).lower()))
    return {"offers": OFFERS[subject.name], "words": sorted(words)}


def write_known_words(subject: Subject, folder: Path, captions: int = CAPTIONS) -> Path:
    """Write known_words.json into a model's folder."""
    target = folder / FILE
    text = json.dumps(collect_words(subject, captions), indent=1, ensure_ascii=False)
    target.write_text(text + "\n", encoding="utf-8")
    return target
