"""Captions for figures: only what is in the picture is ever named."""

import random
import zlib

from models.training.figure_spec import Figure

QUALITY = (
    "highly detailed",
    "professional digital art",
    "intricate details",
    "sharp focus",
    "fantasy art style",
    "concept art",
    "detailed character design",
)
SETTING = ("full body", "plain light gray studio background")
ADJECTIVES = (
    "brave",
    "old",
    "young",
    "happy",
    "tiny",
    "mysterious",
    "noble",
    "kind",
    "cheerful",
    "cute",
    "wise",
    "little",
)
WEARING = ("in", "in", "wearing", "wearing", "dressed in", "with")
HOLDING = ("holding", "holding", "carrying", "with", "with")
OPENINGS = ("portrait of ", "illustration of ", "a picture of ", "a drawing of ", "full body portrait of ")
HELD_OUT = 12


def is_held_out(figure: Figure) -> bool:
    """Whether this role, garment and colour are kept out of training."""
    key = f"{figure.role}|{figure.garment}|{figure.garment_color}"
    return zlib.crc32(key.encode()) % HELD_OUT == 0


def with_article(words: str) -> str:
    """The words with "a" or "an" before them."""
    return f"{'an' if words[0] in 'aeiou' else 'a'} {words}"


def caption_figure(figure: Figure, rng: random.Random) -> str:
    """One of many captions for a figure."""
    color, garment = figure.garment_color, figure.garment
    named_garment = f"{color} {garment}" if rng.random() < 0.92 else None
    hair = figure.hair_color if figure.has_hair and rng.random() < 0.65 else None
    cape = figure.cape_color if rng.random() < 0.65 else None
    item = figure.item if rng.random() < 0.65 else None
    noun = figure.role
    if rng.random() < 0.05:
        noun = f"{rng.choice(ADJECTIVES)} {noun}"
    if rng.random() < 0.25:
        text = _tags(noun, named_garment, hair, cape, item, rng)
    else:
        text = _sentence(noun, named_garment, hair, cape, item, rng)
    tail = _tail(rng)
    text = ", ".join([text, *tail])
    return text[0].upper() + text[1:] if rng.random() < 0.08 else text


def _tags(
    noun: str,
    garment: str | None,
    hair: str | None,
    cape: str | None,
    item: str | None,
    rng: random.Random,
) -> str:
    tags = [garment] if garment else []
    if hair:
        tags.append(f"{hair} hair")
    if cape:
        tags.append(f"{cape} cape")
    if item:
        tags.append(rng.choice((item, f"holding {with_article(item)}")))
    rng.shuffle(tags)
    return ", ".join([noun if rng.random() < 0.6 else with_article(noun), *tags])


def _sentence(
    noun: str,
    garment: str | None,
    hair: str | None,
    cape: str | None,
    item: str | None,
    rng: random.Random,
) -> str:
    # Each phrase is a verb and a thing, so that neighbours may share the verb.
    before = hair is not None and rng.random() < 0.25
    text = f"{hair}-haired {noun}" if before else noun
    text = with_article(text)
    phrases: list[tuple[str, str]] = []
    if garment:
        thing = garment if garment.endswith("armor") else with_article(garment)
        phrases.append((rng.choice(WEARING), thing))
    if hair and not before:
        phrases.append(("with", f"{hair} hair"))
    if cape:
        phrases.append((rng.choice(("with", "wearing")), with_article(f"{cape} cape")))
    rng.shuffle(phrases)
    if item:
        phrases.append((rng.choice(HOLDING), with_article(item)))
    last = ""
    for index, (verb, thing) in enumerate(phrases):
        if index == 0:
            text += f" {verb} {thing}"
        elif verb == last:
            text += f" and {thing}"
        else:
            text += rng.choice((" ", " and ", ", ")) + f"{verb} {thing}"
        last = verb
    return rng.choice(OPENINGS) + text if rng.random() < 0.2 else text


def _tail(rng: random.Random) -> list[str]:
    lot = rng.random()
    if lot < 0.25:
        return list(QUALITY)
    if lot < 0.40:
        return [*QUALITY, *SETTING]
    if lot < 0.50:
        return rng.sample(QUALITY + SETTING, rng.randint(1, 4))
    return []
