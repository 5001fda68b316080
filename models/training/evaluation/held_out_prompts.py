"""Prompts for the evaluation: plain wordings of combinations that no training picture had."""

from __future__ import annotations

import math
import random
from collections import Counter
from dataclasses import dataclass
from typing import Any

from deployments.background import BACKGROUND_NEGATIVE, background_prompt
from deployments.character import CHARACTER_NEGATIVE, character_prompt
from models.training.figures.figure_captions import with_article
from models.training.figures.figure_spec import COLORS, Figure
from models.training.places.place_captions import is_held_out
from models.training.places.place_spec import KINDS, TIMES, Place, weathers_of
from models.training.subjects import SUBJECTS

PROMPTS = 240
_WEATHER_UNSAID_EVERY = 10
"""One place in this many does not mention its weather; the others name a combination that was held out."""

_TRIES = 20_000
"""The draws in a row without a new prompt after which the search gives up."""
_OPENINGS = ("", "", "", "portrait of ", "a drawing of ")
_WEARING = ("in", "wearing", "dressed in")
_MOODS = ("", "", "", "old ", "magical ", "quiet ", "lonely ", "peaceful ")
"""Words that no picture shows; they allow more wordings of a few combinations."""
_TIMES = {
    "dawn": ("at dawn", "at sunrise"),
    "noon": ("at noon", "at midday"),
    "sunset": ("at sunset", "at dusk"),
    "night": ("at night", "at midnight"),
}
_WEATHERS = {
    "clear": ("under a clear sky", "with a clear sky"),
    "cloudy": ("under a cloudy sky", "under clouds"),
    "rain": ("in the rain", "in rainy weather"),
    "snow": ("in the snow", "in falling snow"),
    "fog": ("in the fog", "in the mist"),
}


@dataclass(frozen=True)
class HeldOutPrompt:
    """The prompt, as the service words it, and the Figure or Place that the picture must show."""

    prompt: str
    negative_prompt: str
    spec: Any


def held_out_prompts(subject_name: str, count: int = PROMPTS, seed: int = 0) -> list[HeldOutPrompt]:
    """Return `count` different prompts, the same for the same seed. Raises ValueError if there are fewer.

    They are spread evenly over the garment's colours, or over the held-out combinations of a place, since the
    sampler alone would make one figure in six blue and one in ninety brown.
    """
    subject = SUBJECTS[subject_name]
    rng = random.Random(seed)
    share = math.ceil(count / len(_strata(subject_name)))
    taken: Counter[Any] = Counter()
    asked: dict[str, HeldOutPrompt] = {}
    fruitless = 0
    while fruitless < _TRIES:
        fruitless += 1
        spec = subject.sample(rng)
        stratum = _stratum(spec)
        if not subject.held_out(spec) or taken[stratum] == share:
            continue
        worded = _worded(spec, len(asked), rng)
        if worded.prompt not in asked:
            asked[worded.prompt] = worded
            taken[stratum] += 1
            fruitless = 0
        if len(asked) == count:
            return rng.sample(list(asked.values()), count)
    raise ValueError(f"there are fewer than {count} different prompts")


def describe_figure(figure: Figure, rng: random.Random) -> str:
    """Name role, colour and garment always, hair or fur, cape and item sometimes, and nothing absent."""
    garment = f"{figure.garment_color} {figure.garment}"
    thing = garment if figure.garment == "armor" else with_article(garment)
    who = f"{figure.fur} {figure.role}" if figure.is_animal and rng.random() < 0.5 else figure.role
    text = rng.choice(_OPENINGS) + f"{with_article(who)} {rng.choice(_WEARING)} {thing}"
    if figure.has_hair and rng.random() < 0.35:
        text += f" with {figure.hair_color} hair"
    if figure.cape_color and rng.random() < 0.35:
        text += f" and {with_article(f'{figure.cape_color} cape')}"
    if figure.item and rng.random() < 0.5:
        text += f" holding {with_article(figure.item)}"
    return text


def describe_place(place: Place, rng: random.Random, say_weather: bool = True) -> str:
    """Name kind and time always, and the weather if requested."""
    noun = rng.choice(_MOODS) + place.kind
    if place.kind != "mountains":
        noun = with_article(noun)
    time, weather = rng.choice(_TIMES[place.time]), rng.choice(_WEATHERS[place.weather])
    if not say_weather:
        return f"{noun} {time}"
    return f"{noun} {time} {weather}" if rng.random() < 0.6 else f"{noun} {weather} {time}"


def _worded(spec: Any, index: int, rng: random.Random) -> HeldOutPrompt:
    if isinstance(spec, Figure):
        text = character_prompt(describe_figure(spec, rng), plain_backdrop=index % 2 == 0)
        return HeldOutPrompt(text, CHARACTER_NEGATIVE, spec)
    said = index % _WEATHER_UNSAID_EVERY != _WEATHER_UNSAID_EVERY - 1
    text = background_prompt(describe_place(spec, rng, said))
    return HeldOutPrompt(text, BACKGROUND_NEGATIVE, spec)


def _stratum(spec: Any) -> Any:
    return spec.garment_color if isinstance(spec, Figure) else (spec.kind, spec.time, spec.weather)


def _strata(subject_name: str) -> list[Any]:
    if subject_name == "character":
        return list(COLORS)
    every = [Place(kind, time, weather) for kind in KINDS for time in TIMES for weather in weathers_of(kind)]
    return [_stratum(place) for place in every if is_held_out(place)]
