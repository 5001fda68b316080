"""Colours: a sky, an ambient tint and a set of materials for each time of day."""

from __future__ import annotations

from copy import copy
from dataclasses import dataclass, replace

Colour = tuple[float, float, float]


def rgb(code: str) -> Colour:
    """Parse ``rrggbb``."""
    return (int(code[0:2], 16), int(code[2:4], 16), int(code[4:6], 16))


def mix(a: Colour, b: Colour, t: float) -> Colour:
    """Blend from ``a`` (t=0) to ``b`` (t=1)."""
    return (a[0] + (b[0] - a[0]) * t, a[1] + (b[1] - a[1]) * t, a[2] + (b[2] - a[2]) * t)


def css(c: Colour) -> str:
    """Write a colour as ``#rrggbb``."""
    r, g, b = (max(0, min(255, round(v))) for v in c)
    return f"#{r:02x}{g:02x}{b:02x}"


WHITE = rgb("ffffff")

MATERIALS: dict[str, Colour] = {
    name: rgb(code)
    for name, code in {
        "grass": "7cc84a",
        "leaf": "3fa552",
        "leaf2": "8cbf3f",
        "pine": "23805f",
        "trunk": "7d4f33",
        "stone": "cfc4b4",
        "roof": "d9583f",
        "roof2": "3f74b0",
        "wall": "f6e7c8",
        "sand": "f4d08a",
        "mesa": "d9814e",
        "snow": "f6fbff",
        "rock": "7f8fb0",
        "water": "2fa9c4",
        "path": "ecd3a0",
        "tower": "8fb3cf",
        "tower2": "d9a98a",
        "road": "a9b0b8",
        "cave": "94705f",
        "cactus": "4f9e5a",
        "flag": "e8463c",
        "plank": "c9935c",
        "tile": "e6a57e",
        "quay": "b98a58",
        "hull": "8a4b2d",
        "sail": "fff3d6",
        "moon": "b48ad0",
        "seabed": "f0d9a0",
    }.items()
}


@dataclass(frozen=True)
class Mood:
    """The look of one time of day."""

    sky: tuple[Colour, Colour, Colour]
    grey: Colour
    cloud: Colour
    cloud_shade: Colour
    disc: Colour
    glow: Colour
    ambient: Colour
    tint: float
    dim: float
    fog: Colour


def _mood(codes: str, tint: float, dim: float) -> Mood:
    c = [rgb(code) for code in codes.split()]
    return Mood((c[0], c[1], c[2]), c[3], c[4], c[5], c[6], c[7], c[8], tint, dim, c[9])


# sky top, middle, horizon, grey, cloud, cloud shade, disc, glow, ambient, fog
MOODS = {
    "dawn": _mood("a79be0 f7b6cf ffe2bd c3b0c4 fff0e6 e9b5cb fffbe6 ffe9b8 c48bb4 f8dde0", 0.36, 0.97),
    "noon": _mood("2b8fe6 74c4f7 dbf4ff b3c1cc ffffff c9e2f2 fff6c4 fff7d0 ffffff f0f7fa", 0.0, 1.0),
    "sunset": _mood("54307f e2527c ffae4e 9a6478 ff9a7a b04a86 ffeeb0 ffd27a 6a1f4e ffb98a", 0.42, 0.66),
    "night": _mood("070f2e 10305c 256a86 24344e 2f4a74 1a2f55 fff4d2 8fc3dc 0c2a52 486a86", 0.48, 0.52),
}

# how far each weather pulls the sky to grey, and how much it dims the ground
_PULL = {"clear": 0.0, "cloudy": 0.34, "rain": 0.72, "snow": 0.5, "fog": 0.45}
_DULL = {"clear": 0.0, "cloudy": 0.12, "rain": 0.3, "snow": 0.12, "fog": 0.18}


class Palette:
    """Colours for one time and weather."""

    def __init__(self, time: str, weather: str, snowy: bool) -> None:
        self.time = time
        self.mood = MOODS[time]
        self.snowy = snowy
        pull = _PULL[weather]
        target = self.mood.fog if weather == "fog" else self.mood.grey
        if weather == "rain":
            target = mix(target, rgb("2a3550"), 0.22 if time == "noon" else 0.3)
        top, middle, low = self.mood.sky
        self.sky = (
            mix(top, target, pull * 0.85),
            mix(middle, target, pull),
            mix(low, target, pull * 0.8),
        )
        self.haze = mix(self.sky[1], self.sky[2], 0.6)
        self.grey = target
        self.dull = _DULL[weather]
        self.fade = 1.25 if weather == "fog" else 1.0

    def indoors(self) -> Palette:
        """Return these colours as seen indoors by lamplight at night; by day nothing changes."""
        inside = copy(self)
        if self.time == "night":
            inside.mood = replace(self.mood, ambient=rgb("3c2438"), tint=0.36, dim=0.62)
        return inside

    def lit(self, colour: Colour) -> Colour:
        """Return a daylight colour under this time's light."""
        c = (colour[0] * self.mood.dim, colour[1] * self.mood.dim, colour[2] * self.mood.dim)
        dull = self.dull * (0.5 if self.time == "night" else 1.0)
        return mix(mix(c, self.mood.ambient, self.mood.tint), self.grey, dull)

    def at(self, name: str, depth: float, shade: float = 0.0) -> Colour:
        """Return material ``name`` at ``depth`` (0 far, 1 near); ``shade`` darkens or lightens."""
        base = MATERIALS[name]
        if self.snowy and name in ("grass", "path", "sand", "road"):
            base = mix(base, MATERIALS["snow"], 0.6 if name == "sand" else 0.86)
        elif self.snowy and name in ("leaf", "leaf2", "pine", "mesa", "rock", "cactus"):
            base = mix(base, MATERIALS["snow"], 0.22)
        elif self.snowy and name in ("moon", "quay"):
            base = mix(base, MATERIALS["snow"], 0.5)
        c = self.lit(base)
        if min(base) > 200:
            glow = {"night": "93aad6", "sunset": "ffd0c4", "dawn": "fff0f2"}.get(self.time, "ffffff")
            c = mix(c, rgb(glow), 0.38)
        if shade > 0:
            c = mix(c, mix(self.lit((20, 30, 80)), (0, 0, 0), 0.15), shade)
        elif shade < 0:
            c = mix(c, mix(self.mood.disc, self.haze, 0.3), -shade)
        return mix(c, self.haze, min(0.92, (1 - depth) * 0.8 * self.fade))
