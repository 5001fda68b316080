"""Captions for places: varied wording that never mentions what is not drawn."""

from __future__ import annotations

import random
import zlib

from models.training.places.place_spec import Place, weathers_of

_NOUNS: dict[str, tuple[str, ...]] = {
    "castle": ("castle",) * 8 + ("castle on a hill", "fortress"),
    "forest": ("forest",) * 8 + ("woods", "forest clearing"),
    "mountains": ("mountains",) * 7 + ("mountain", "mountain landscape", "mountain range"),
    "village": ("village",) * 8 + ("town", "village of cottages"),
    "desert": ("desert",) * 8 + ("dunes", "sand dunes"),
    "beach": ("beach",) * 8 + ("seaside", "beach by the sea"),
    "snowy field": ("snowy field",) * 8 + ("field of snow", "snow field"),
    "city": ("city",) * 8 + ("city street", "city skyline"),
    "cave": ("cave",) * 8 + ("cavern", "cave with crystals"),
    "meadow": ("meadow",) * 8 + ("meadow with flowers", "field of flowers"),
    "room": ("room",) * 8 + ("living room", "room in a house"),
    "kitchen": ("kitchen",) * 8 + ("kitchen in a house", "farmhouse kitchen"),
    "garden": ("garden",) * 8 + ("garden with a fence", "flower garden"),
    "ship": ("ship",) * 7 + ("sailing ship", "ship at sea", "pirate ship"),
    "spaceship": ("spaceship",) * 8 + ("rocket", "space rocket"),
    "underwater": ("underwater",) * 6 + ("underwater world", "coral reef", "sea floor", "underwater scene"),
}
_PLURAL = ("mountains", "woods", "dunes", "sand dunes")
_THE_ONLY = ("seaside", "floor")
_NO_ARTICLE = ("underwater",)
_TIME_PHRASES: dict[str, tuple[str, ...]] = {
    "dawn": ("at dawn",) * 8 + ("at sunrise", "in the morning"),
    "noon": ("at noon",) * 8 + ("at midday", "in the daytime"),
    "sunset": ("at sunset",) * 8 + ("at dusk", "in the evening"),
    "night": ("at night",) * 9 + ("at midnight",),
}
_WEATHER_PHRASES: dict[str, tuple[str, ...]] = {
    "clear": ("under a clear sky", "in clear weather", "with a clear sky"),
    "cloudy": ("under a cloudy sky", "in cloudy weather", "under clouds"),
    "rain": ("in the rain", "in the rain", "in rainy weather", "while it is raining"),
    "snow": ("in the snow", "in falling snow", "while it is snowing"),
    "fog": ("in the fog", "under fog", "in fog", "in the mist"),
}
_WEATHER_ADJECTIVES: dict[str, tuple[str, ...]] = {
    "clear": ("clear",),
    "cloudy": ("cloudy",) * 5 + ("overcast",),
    "rain": ("rainy",) * 6 + ("stormy",),
    "snow": ("snowy",),
    "fog": ("foggy",) * 4 + ("misty",),
}
_WEATHER_TAGS: dict[str, tuple[str, ...]] = {
    "clear": ("clear sky", "clear"),
    "cloudy": ("cloudy", "cloudy sky", "clouds"),
    "rain": ("rain", "raining", "rainy"),
    "snow": ("snow", "snowing", "falling snow"),
    "fog": ("fog", "foggy", "mist"),
}
_FILLERS = ("old", "magical", "quiet", "huge", "enchanted", "lonely", "big", "peaceful", "ancient")
_LEAD = "beautiful detailed"
_TERMS = (
    "cinematic lighting",
    "detailed environment",
    "atmospheric perspective",
    "masterpiece",
    "concept art",
    "trending on artstation",
)


def _article(words: str, rng: random.Random) -> str:
    noun_words = words.split()
    if any(words.endswith(p) for p in _PLURAL):
        return words
    if noun_words[-1] in _NO_ARTICLE:
        return words
    if noun_words[-1] in _THE_ONLY:
        return f"the {words}"
    if rng.random() < 0.08:
        return f"the {words}"
    return f"{'an' if words[0] in 'aeiou' else 'a'} {words}"


def _tags(noun: str, time: str, weather: str) -> str:
    return ", ".join(part for part in (noun, time, weather) if part)


def _describe(place: Place, rng: random.Random) -> str:
    noun = rng.choice(_NOUNS[place.kind])
    if noun not in _NO_ARTICLE and rng.random() < 0.15:
        noun = f"{rng.choice(_FILLERS)} {noun}"
    say_time = rng.random() < 0.85
    has_weather = len(weathers_of(place.kind)) > 1
    say_weather = has_weather and rng.random() < (0.5 if place.weather == "clear" else 0.83)
    time = rng.choice(_TIME_PHRASES[place.time]) if say_time else ""
    style = rng.random()
    if style < 0.22:
        weather = rng.choice(_WEATHER_TAGS[place.weather]) if say_weather else ""
        bare = time.removeprefix("at ").removeprefix("in the ")
        return _tags(noun, bare, weather)
    weather = ""
    if say_weather:
        takes_adjective = place.weather != "clear" and not noun.startswith("snow")
        if takes_adjective and rng.random() < 0.45:
            noun = f"{rng.choice(_WEATHER_ADJECTIVES[place.weather])} {noun}"
        else:
            weather = rng.choice(_WEATHER_PHRASES[place.weather])
    subject = noun if rng.random() < 0.2 else _article(noun, rng)
    tail = [part for part in (time, weather) if part]
    if len(tail) == 2 and not weather.startswith("while") and rng.random() < 0.2:
        tail.reverse()
    return " ".join([subject, *tail])


def caption_place(place: Place, rng: random.Random) -> str:
    """Return one of many captions for ``place``, sometimes wrapped in prompt boilerplate."""
    text = _describe(place, rng)
    roll = rng.random()
    if roll < 0.35:
        return f"{_LEAD} {text}, {', '.join(_TERMS)}"
    if roll < 0.55:
        chosen = [term for term in _TERMS if rng.random() < 0.4] or [rng.choice(_TERMS)]
        lead = f"{_LEAD} " if rng.random() < 0.4 else ""
        return f"{lead}{text}, {', '.join(chosen)}"
    return text[0].upper() + text[1:] if rng.random() < 0.05 else text


def is_held_out(place: Place) -> bool:
    """Return whether this kind, time and weather are held out from training."""
    return zlib.crc32(f"{place.kind}|{place.time}|{place.weather}".encode()) % 12 == 0
