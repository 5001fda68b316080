"""Sky, sun, moon, stars, clouds and falling weather."""

from __future__ import annotations

import math

from models.training.places.canvas import Canvas
from models.training.places.place_colors import WHITE, Colour, mix, rgb
from models.training.places.spaceship import ringed_planet


def draw_sky(c: Canvas) -> None:
    """Draw the gradient, then the disc, stars and clouds that the weather lets through."""
    top, middle, low = c.pal.sky
    deep = c.horizon + 50 * c.u
    c.rect(0, 0, c.w, deep, c.stops(((0.0, top, 1), (0.5, middle, 1), (0.92, low, 1))))
    c.rect(0, deep - 1, c.w, c.h - deep + 1, low)
    if c.place.time == "night" and c.place.weather in ("clear", "snow", "fog"):
        _stars(c, 13 if c.place.weather == "clear" else 5)
    if c.place.weather in ("clear", "cloudy", "fog") or c.place.time in ("night", "sunset"):
        _disc(c)
    if c.place.kind == "spaceship" and c.place.weather in ("clear", "fog"):
        ringed_planet(c)
    _clouds(c)


def _disc(c: Canvas) -> None:
    time, u = c.place.time, c.u
    strength = {"clear": 1.0, "cloudy": 0.9, "fog": 0.6, "snow": 0.55, "rain": 0.4}[c.place.weather]
    radius = {"dawn": 34.0, "noon": 27.0, "sunset": 56.0, "night": 29.0}[time] * u
    high = c.rng.uniform(0.13, 0.2) * c.h
    y = {"dawn": c.horizon - 40 * u, "sunset": c.horizon - 34 * u}.get(time, high)
    if c.place.kind == "cave":
        y = max(y, 0.3 * c.h)
    x, mood = c.sun_x, c.pal.mood
    reach = radius * (2.6 if time == "sunset" else 3.2)
    halo = (
        (0.0, mood.glow, 0.8 * strength),
        (0.45, mood.glow, 0.3 * strength),
        (1.0, mood.glow, 0.0),
    )
    c.oval(x, y, reach, reach, c.stops(halo, radial=True))
    if time == "night" and c.place.seed % 2 and c.place.weather in ("clear", "cloudy"):
        r, s, k = radius, c.side, 1 if c.side > 0 else 0
        c.path(
            f"M{x - s * r * 0.3:.1f} {y - r:.1f}A{r:.1f} {r:.1f} 0 1 {k} {x - s * r * 0.6:.1f} "
            f"{y + r * 0.8:.1f}A{r * 0.98:.1f} {r * 0.98:.1f} 0 0 {1 - k} "
            f"{x - s * r * 0.3:.1f} {y - r:.1f}Z",
            mood.disc,
        )
    elif time == "sunset":
        c.oval(x, y, radius, radius, c.fade(rgb("fff0a8"), rgb("ff9440")), strength)
    else:
        c.oval(x, y, radius, radius, mood.disc, strength)


def _stars(c: Canvas, count: int) -> None:
    count = round(count * c.w / (512 * c.u))
    star = rgb("fff6d8")
    for i in range(count):
        x = (i + c.rng.uniform(0.15, 0.85)) * c.w / count
        y = c.rng.uniform(0.04, 0.4) * c.h
        r = c.rng.uniform(5, 8) * c.u
        if math.hypot(x - c.sun_x, y - 0.16 * c.h) < 60 * c.u:
            continue
        c.oval(x, y, r * 1.1, r * 1.1, star, 0.16)
        k = r * 0.3
        c.poly(
            [
                (x, y - r),
                (x + k, y - k),
                (x + r, y),
                (x + k, y + k),
                (x, y + r),
                (x - k, y + k),
                (x - r, y),
                (x - k, y - k),
            ],
            star,
        )


def cloud(c: Canvas, x: float, y: float, size: float, lit: Colour, shade: Colour) -> None:
    """Draw one puffy cloud with a flat foot."""
    s = size * c.u
    a = 1.0
    fill = c.fade(lit, shade)
    c.rect(x - s, y - 0.3 * s, 2 * s, 0.34 * s, mix(lit, shade, 0.9), 0.17 * s, a)
    r1, r2 = c.rng.uniform(0.36, 0.46), c.rng.uniform(0.27, 0.36)
    side = c.rng.choice((-1, 1))
    c.oval(x + side * 0.48 * s, y - 0.22 * s, r2 * s, r2 * 0.84 * s, fill, a)
    c.oval(x - side * 0.5 * s, y - 0.2 * s, r2 * 0.9 * s, r2 * 0.74 * s, fill, a)
    c.oval(x - side * 0.06 * s, y - 0.32 * s, r1 * s, r1 * s, fill, a)


def _clouds(c: Canvas) -> None:
    mood, pal, weather = c.pal.mood, c.pal, c.place.weather
    span = c.w / (512 * c.u)
    if weather == "clear":
        for i in range(max(2, round(2 * span))):
            x = (i + c.rng.uniform(0.1, 0.9)) * c.w / max(2, round(2 * span))
            y = c.rng.uniform(0.16, 0.36) * c.h
            low = mix(mood.cloud_shade, pal.sky[1], 0.35)
            if c.place.time == "noon" or abs(x - c.sun_x) > 110 * c.u:
                cloud(c, x, y, c.rng.uniform(44, 66), mix(mood.cloud, pal.sky[1], 0.06), low)
        return
    if weather == "fog":
        return
    dark = {"cloudy": 0.2, "rain": 0.42, "snow": 0.06}[weather]
    storm = mix(pal.grey, rgb("26304c"), dark)
    lit = mix(mood.cloud, storm, {"cloudy": 0.42, "rain": 0.72, "snow": 0.5}[weather])
    rows = ((0.36, 60.0, 0.4), (0.25, 78.0, 0.2), (0.11, 96.0, 0.0))
    for level, size, pale in rows:
        n = max(3, round(3.4 * span * 72 / size))
        shift = c.rng.uniform(-0.4, 0.4)
        for i in range(n + 1):
            if weather == "cloudy" and level == 0.36 and c.rng.random() < 0.5:
                continue
            x = (i + shift + c.rng.uniform(-0.15, 0.15)) * c.w / n
            y = (level + c.rng.uniform(-0.03, 0.03)) * c.h
            a, b = mix(lit, pal.sky[1], pale), mix(storm, pal.sky[1], pale)
            cloud(c, x, y, size * c.rng.uniform(0.9, 1.15), a, b)


def draw_weather(c: Canvas) -> None:
    """Draw rain, snowflakes or fog in front of the scene."""
    span = c.w / (512 * c.u)
    if c.place.weather == "rain":
        _rain(c, round(8 * span))
    elif c.place.weather == "snow":
        _flakes(c, round(10 * span))
    elif c.place.weather == "fog":
        for k, half, a in ((0.0, 44, 0.3), (0.12, 40, 0.42), (0.27, 46, 0.26)):
            c.mist(c.horizon + (k + c.rng.uniform(-0.02, 0.02)) * c.h, half * c.u, a)
        for _ in range(round(5 * span)):
            _wisp(c)


def _wisp(c: Canvas) -> None:
    w = c.rng.uniform(140, 240) * c.u
    h = c.rng.uniform(12, 20) * c.u
    x = c.rng.uniform(-0.1, 0.9) * c.w
    y = c.horizon + c.rng.uniform(-0.12, 0.24) * c.h
    c.rect(x, y, w, h, c.pal.mood.fog, h / 2, 0.5)
    c.rect(x + w * 0.3, y + h * 0.8, w * 0.8, h * 0.8, c.pal.mood.fog, h * 0.4, 0.4)


def _rain(c: Canvas, columns: int) -> None:
    colour = mix(WHITE, c.pal.sky[1], 0.25)
    opacity = 0.42 if c.place.time == "night" else 0.6
    for i in range(columns + 1):
        for j in range(6):
            x = (i + c.rng.uniform(0, 0.8)) * c.w / columns
            y = (j + c.rng.uniform(0, 0.8)) * c.h / 6
            n = c.rng.uniform(22, 38) * c.u
            c.line([(x, y), (x - 0.34 * n, y + n)], 3.4 * c.u, colour, opacity)


def _flakes(c: Canvas, columns: int) -> None:
    colour = mix(WHITE, c.pal.sky[1], 0.06 if c.place.time != "night" else 0.2)
    for i in range(columns):
        for j in range(7):
            x = (i + c.rng.uniform(0, 0.9)) * c.w / columns
            y = (j + c.rng.uniform(0, 0.9)) * c.h / 7
            r = c.rng.choice((4.0, 5.0, 6.0, 6.5)) * c.u
            c.oval(x, y, r, r, colour, 0.92)
