"""The words that captions use for what a figure is made of: the usual word first, then its synonyms."""

from __future__ import annotations

ROLE_WORDS: dict[str, tuple[str, ...]] = {
    "knight": ("knight", "warrior"),
    "wizard": ("wizard", "sorcerer", "mage", "magician"),
    "witch": ("witch", "sorceress"),
    "princess": ("princess",),
    "king": ("king",),
    "queen": ("queen",),
    "farmer": ("farmer",),
    "pirate": ("pirate", "pirate captain"),
    "elf": ("elf",),
    "robot": ("robot", "android"),
    "explorer": ("explorer", "adventurer", "traveler"),
    "girl": ("girl", "little girl", "young girl", "child", "kid"),
    "boy": ("boy", "little boy", "young boy", "child", "kid"),
    "woman": ("woman", "young woman", "lady"),
    "man": ("man", "young man"),
    "grandmother": ("grandmother", "grandma", "granny", "old woman", "old lady"),
    "grandfather": ("grandfather", "grandpa", "old man"),
    "dog": ("dog", "puppy"),
    "cat": ("cat", "kitten"),
    "bear": ("bear", "teddy bear"),
    "rabbit": ("rabbit", "bunny", "hare"),
    "fox": ("fox",),
    "dragon": ("dragon",),
}
GARMENT_WORDS: dict[str, tuple[str, ...]] = {
    "armor": ("armor", "armour"),
    "robe": ("robe", "robes"),
    "dress": ("dress", "gown"),
    "tunic": ("tunic", "shirt"),
    "coat": ("coat", "jacket"),
}
NO_ARTICLE = ("armor", "armour", "robes")
ITEM_WORDS: dict[str, tuple[str, ...]] = {
    "sword": ("sword",),
    "staff": ("staff", "walking stick"),
    "book": ("book", "spellbook"),
    "lantern": ("lantern", "lamp"),
    "shield": ("shield",),
}
CAPE_WORDS = ("cape", "cloak")
COLOR_WORDS: dict[str, tuple[str, ...]] = {"golden": ("golden", "gold")}
HAIR_COLOR_WORDS: dict[str, tuple[str, ...]] = {
    "blond": ("blond", "blonde"),
    "red": ("red", "ginger"),
    "grey": ("grey", "gray"),
}
HAIR_STYLE_WORDS: dict[str, str] = {"long": "long", "short": "short", "curly": "curly"}
FUR_WORDS: dict[str, tuple[str, ...]] = {"grey": ("grey", "gray"), "golden": ("golden", "gold")}
ANIMAL_FUR_WORDS: dict[tuple[str, str], tuple[str, ...]] = {
    ("fox", "orange"): ("orange", "red"),
    ("cat", "orange"): ("orange", "ginger"),
    ("bear", "white"): ("white", "polar"),
}
POSE_WORDS: dict[str, tuple[str, ...]] = {"waving": ("waving",), "hanging": ("standing",)}
EXPRESSION_WORDS: dict[str, tuple[str, ...]] = {"smile": ("smiling",), "grin": ("laughing", "grinning")}
