"""Captions for figures, which name only things that are in the picture."""

import random
import zlib

from models.training.figures.figure_spec import COLORS, Figure
from models.training.figures.figure_words import (
    ANIMAL_FUR_WORDS,
    CAPE_WORDS,
    COLOR_WORDS,
    EXPRESSION_WORDS,
    FUR_WORDS,
    GARMENT_WORDS,
    HAIR_COLOR_WORDS,
    HAIR_STYLE_WORDS,
    ITEM_WORDS,
    NO_ARTICLE,
    POSE_WORDS,
    ROLE_WORDS,
)

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
ADJECTIVES = ("brave", "happy", "tiny", "mysterious", "noble", "kind", "cheerful", "cute", "wise", "friendly")
"""Adjectives that no picture shows; some captions have them, so that in a prompt they disturb nothing."""
GROWN = ("knight", "wizard", "witch", "king", "queen", "farmer", "pirate", "elf", "explorer")
WEARING = ("in", "in", "wearing", "wearing", "dressed in", "with")
HOLDING = ("holding", "holding", "carrying", "with", "with")
OPENINGS = ("portrait of ", "illustration of ", "a picture of ", "a drawing of ", "full body portrait of ")
HELD_OUT = 12
COLORS_SAID = (*COLORS, "gold")


def is_held_out(figure: Figure) -> bool:
    """Return whether this role, garment and colour are kept out of training."""
    key = f"{figure.role}|{figure.garment}|{figure.garment_color}"
    return zlib.crc32(key.encode()) % HELD_OUT == 0


def with_article(words: str) -> str:
    """Return the words with "a" or "an" before them."""
    return f"{'an' if words[0] in 'aeiou' else 'a'} {words}"


def caption_figure(figure: Figure, rng: random.Random) -> str:
    """Return one of many captions for a figure."""
    garment = _garment(figure, rng)
    hair = _hair(figure, rng) if rng.random() < 0.65 else None
    cape = _cape(figure, rng) if rng.random() < 0.85 else None
    item = _word(ITEM_WORDS.get(figure.item or "", ()), rng) if rng.random() < 0.85 else None
    doing = _doing(figure, rng) if rng.random() < 0.15 else None
    noun, fur = _noun(figure, rng)
    wording = _tags if rng.random() < 0.25 else _sentence
    text = wording(noun, garment, hair or fur, cape, item, doing, rng)
    text = ", ".join([text, *_tail(rng)])
    return text[0].upper() + text[1:] if rng.random() < 0.08 else text


def _word(words: tuple[str, ...], rng: random.Random) -> str | None:
    """Return the usual word three times in four, else one of the others; None if there are none."""
    if len(words) < 2 or rng.random() < 0.75:
        return words[0] if words else None
    return rng.choice(words[1:])


def _noun(figure: Figure, rng: random.Random) -> tuple[str, str | None]:
    """Return the noun with its adjectives, and the fur if that gets a separate phrase."""
    noun = _word(ROLE_WORDS[figure.role], rng) or figure.role
    phrase = None
    if figure.fur is not None and rng.random() < 0.75:
        words = ANIMAL_FUR_WORDS.get((figure.role, figure.fur)) or FUR_WORDS.get(figure.fur, (figure.fur,))
        color = _word(words, rng) or figure.fur
        if color == "polar":
            return "polar bear", None
        skin = "scales" if figure.role == "dragon" else "fur"
        if rng.random() < 0.2:
            phrase = f"{color} {skin}"
        elif figure.role != "dragon" and rng.random() < 0.1:
            noun = f"{color}-furred {noun}"
        else:
            noun = f"{color} {noun}"
    lot = rng.random()
    if lot < 0.06 and figure.role in GROWN and noun == figure.role:
        noun = f"{'old' if figure.hair_color in ('white', 'grey') else 'young'} {noun}"
    elif lot > 0.95:
        noun = f"{rng.choice(ADJECTIVES)} {noun}"
    return noun, phrase


def _garment(figure: Figure, rng: random.Random) -> str | None:
    """Return the garment with its colour; sometimes only one of the two, or neither."""
    garment = _word(GARMENT_WORDS[figure.garment], rng)
    color = _word(COLOR_WORDS.get(figure.garment_color, (figure.garment_color,)), rng)
    lot = rng.random()
    if lot < 0.05:
        return None
    if lot < 0.10:
        return garment
    return color if lot < 0.12 else f"{color} {garment}"


def _hair(figure: Figure, rng: random.Random) -> str | None:
    if figure.hair_color is None:
        return None
    color = _word(HAIR_COLOR_WORDS.get(figure.hair_color, (figure.hair_color,)), rng)
    style = HAIR_STYLE_WORDS.get(figure.hair_style or "")
    return f"{style} {color} hair" if style and rng.random() < 0.2 else f"{color} hair"


def _cape(figure: Figure, rng: random.Random) -> str | None:
    if figure.cape_color is None:
        return None
    color = _word(COLOR_WORDS.get(figure.cape_color, (figure.cape_color,)), rng)
    return f"{color} {_word(CAPE_WORDS, rng)}"


def _doing(figure: Figure, rng: random.Random) -> str:
    words = POSE_WORDS[figure.pose] if rng.random() < 0.5 else EXPRESSION_WORDS[figure.expression]
    return rng.choice(words)


def _tags(
    noun: str,
    garment: str | None,
    hair: str | None,
    cape: str | None,
    item: str | None,
    doing: str | None,
    rng: random.Random,
) -> str:
    tags = [tag for tag in (garment, hair, cape, doing) if tag]
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
    doing: str | None,
    rng: random.Random,
) -> str:
    # Each phrase is a verb and a thing, so that neighbours may share the verb.
    before = hair is not None and len(hair.split()) == 2 and hair.endswith("hair") and rng.random() < 0.25
    if before and hair is not None:
        noun = f"{hair.removesuffix(' hair')}-haired {noun}"
    if doing and rng.random() < 0.3:
        noun, doing = f"{doing} {noun}", None
    text = with_article(noun)
    phrases: list[tuple[str, str]] = []
    if garment in COLORS_SAID:
        phrases.append((rng.choice(("in", "dressed in")), garment))
    elif garment:
        thing = garment if garment.endswith(NO_ARTICLE) else with_article(garment)
        phrases.append((rng.choice(WEARING), thing))
    if hair and not before:
        phrases.append(("with", hair))
    if cape:
        phrases.append((rng.choice(("with", "wearing")), with_article(cape)))
    rng.shuffle(phrases)
    if item:
        first = rng.random() < 0.15
        phrases.insert(0 if first else len(phrases), (rng.choice(HOLDING), with_article(item)))
    last = ""
    for index, (verb, thing) in enumerate(phrases):
        if index == 0:
            text += f" {verb} {thing}"
        elif verb == last:
            text += f" and {thing}"
        else:
            text += rng.choice((" ", " and ", ", ")) + f"{verb} {thing}"
        last = verb
    if doing:
        text += f", {doing}"
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
