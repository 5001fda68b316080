"""Plan which request is sent when: each arrival draws a request from the mix, by a seed."""

from __future__ import annotations

import json
import random
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import count
from typing import Any

from .mix import Answer, Entry, Mix, Route
from .picture_check import Wanted

MAX_SEED = 2**53 - 1


@dataclass(frozen=True)
class PlannedRequest:
    """One request: what is sent, and what its response must be. `at_s` is None in a closed loop."""

    index: int
    at_s: float | None
    entry: str
    route: Route
    answer: Answer
    body: dict[str, Any]
    wanted: Wanted
    cancel_after_s: float | None = None

    @property
    def path(self) -> str:
        return f"/v1/{self.route}"

    @property
    def encoded(self) -> bytes:
        return json.dumps(self.body).encode()


def plan(mix: Mix, arrivals: Iterable[float], seed: int) -> list[PlannedRequest]:
    """Return one request for each arrival."""
    dice = random.Random(seed)  # noqa: S311 (these dice guard no secret)
    return [_draw(mix, dice, index, at_s) for index, at_s in enumerate(arrivals)]


def endless(mix: Mix, seed: int) -> Iterator[PlannedRequest]:
    """Yield requests for a closed loop, where a response's arrival decides when the next is sent."""
    dice = random.Random(seed)  # noqa: S311 (these dice guard no secret)
    return (_draw(mix, dice, index, None) for index in count())


def _draw(mix: Mix, dice: random.Random, index: int, at_s: float | None) -> PlannedRequest:
    (entry,) = dice.choices(mix.requests, [each.weight for each in mix.requests])
    body, wanted = _scene(mix, entry, dice)
    if entry.route in ("characters", "backgrounds"):
        body, wanted = _layer(mix, entry, dice)
    elif entry.route == "jobs":
        body = {"scenes": [body, *(_scene(mix, entry, dice, wanted)[0] for _ in range(entry.scenes - 1))]}
    cancel = entry.cancels if entry.cancels and dice.random() < entry.cancels.share else None
    after_s = dice.uniform(*cancel.after_s) if cancel else None
    return PlannedRequest(index, at_s, entry.name, entry.route, entry.answer, body, wanted, after_s)


def _scene(
    mix: Mix, entry: Entry, dice: random.Random, same: Wanted | None = None
) -> tuple[dict[str, Any], Wanted]:
    """Build a scene. `same` gives the size and format for a further scene of a job."""
    wanted = same or Wanted(_one(dice, entry.frame), _one(dice, entry.format))
    steps = _one(dice, entry.steps)
    merge: dict[str, Any] = {} if wanted.size_px is None else _sides(wanted.size_px)
    if mode := _one(dice, entry.merge_mode):
        merge["mode"] = mode
    body = {
        "character": _words(dice.choice(mix.characters), steps, _one(dice, entry.character_size)),
        "background": _words(dice.choice(mix.backgrounds), steps, _one(dice, entry.background_size)),
        "seed": _seed(mix, dice),
        **({"merge": merge} if merge else {}),
        **_output(wanted),
    }
    return body | entry.fields, wanted


def _layer(mix: Mix, entry: Entry, dice: random.Random) -> tuple[dict[str, Any], Wanted]:
    of_character = entry.route == "characters"
    sizes = entry.character_size if of_character else entry.background_size
    wanted = Wanted(_one(dice, sizes), _one(dice, entry.format))
    words = dice.choice(mix.characters if of_character else mix.backgrounds)
    body = {
        **_words(words, _one(dice, entry.steps), wanted.size_px),
        "seed": _seed(mix, dice),
        **_output(wanted),
    }
    return body | entry.fields, wanted


def _one(dice: random.Random, choices: list[Any] | None) -> Any:
    return dice.choice(choices) if choices else None


def _seed(mix: Mix, dice: random.Random) -> int:
    return dice.randrange(MAX_SEED if mix.seeds is None else mix.seeds)


def _words(prompt: str, steps: int | None, size_px: tuple[int, int] | None) -> dict[str, Any]:
    layer: dict[str, Any] = {"prompt": prompt}
    if steps is not None:
        layer["num_inference_steps"] = steps
    return layer if size_px is None else layer | _sides(size_px)


def _sides(size_px: tuple[int, int]) -> dict[str, Any]:
    return {"width": size_px[0], "height": size_px[1]}


def _output(wanted: Wanted) -> dict[str, Any]:
    return {} if wanted.format is None else {"output": {"format": wanted.format}}
