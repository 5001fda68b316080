"""Read a story file, and give each description its seed. `serve/static/story.js` follows the same rules.

Each line is a scene: `who | where | words`. An empty who or where stays as in the scene before, and the
words may be left out. Empty lines and lines that begin with `#` are ignored.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

FORM = "who | where | text"
MAX_SCENES = 1_000
"""The most scenes that one job may have."""
STORY_SEED = 42
BLANK = "\t\n\v\f\r \u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000\ufeff"
"""The characters that are white space in JavaScript; a byte order mark is one."""
_EDGES = re.compile(f"^[{BLANK}]+|[{BLANK}]+$")
_BLANKS = re.compile(f"[{BLANK}]+")
FNV_OFFSET, FNV_PRIME = 0x811C9DC5, 0x01000193


@dataclass(frozen=True)
class StoryScene:
    """One scene of a story; `words` are shown beside its picture and not painted."""

    character: str
    background: str
    words: str = ""


def read_story(text: str) -> list[StoryScene]:
    """Read the scenes of a story file. Raises ValueError, which names the line at fault."""
    scenes: list[StoryScene] = []
    for number, raw in enumerate(re.split("\r\n|\r|\n", text), 1):
        line = _EDGES.sub("", raw)
        if not line or line.startswith("#"):
            continue
        parts = [_EDGES.sub("", part) for part in line.split("|")]
        who, where, words, *more = [*parts, "", ""]
        before = scenes[-1] if scenes else StoryScene("", "")
        scene = StoryScene(who or before.character, where or before.background, words)
        if any(more):
            raise ValueError(f"line {number} has more than three parts: {FORM}")
        if not scene.character or not scene.background:
            raise ValueError(f"line {number} needs who and where: {FORM}")
        if len(scenes) == MAX_SCENES:
            raise ValueError(f"line {number} is one scene too many: a story has at most {MAX_SCENES}")
        scenes.append(scene)
    if not scenes:
        raise ValueError(f"the story has no scenes: write a line for each, {FORM}")
    return scenes


def description_seed(
    layer: Literal["character", "background"], description: str, story_seed: int = STORY_SEED
) -> int:
    """Return the seed of a description: the same in every scene, so that a hero stays the same hero.

    It is the 32-bit FNV-1a hash (RFC 9923) of the story's seed, the layer and
    the description, in lower case and with single spaces. Another `story_seed` gives every description
    another seed.
    """
    plain = _BLANKS.sub(" ", _EDGES.sub("", unicodedata.normalize("NFC", description))).lower()
    value = FNV_OFFSET
    for byte in f"{story_seed}\n{layer}\n{plain}".encode("utf-8", "replace"):
        value = (value ^ byte) * FNV_PRIME % 2**32
    return value


def story_requests(scenes: Sequence[StoryScene], story_seed: int = STORY_SEED) -> list[dict[str, Any]]:
    """Return the scene requests of a story, for `submit_job`, each layer with its description's seed."""
    return [
        {
            "character": {
                "prompt": scene.character,
                "seed": description_seed("character", scene.character, story_seed),
            },
            "background": {
                "prompt": scene.background,
                "seed": description_seed("background", scene.background, story_seed),
            },
        }
        for scene in scenes
    ]
