"""Collect the words that a model is taught, and suggestions for prompts beyond them.

They are stored beside the weights, and the service warns of a description with other words. Words that people
say in many ways are known only in the ways that captions say them.
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
"""Captions drawn: enough for the rarest word to be among them."""
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
    """Return the content of known_words.json: every word of the captions, and what is offered."""
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
