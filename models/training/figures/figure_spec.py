"""Specify what a picture-book figure is made of, and sample random figures."""

import random
from dataclasses import dataclass

RGB = tuple[int, int, int]

COLORS: dict[str, RGB] = {
    "red": (206, 42, 46),
    "blue": (44, 98, 208),
    "green": (54, 150, 70),
    "yellow": (252, 220, 62),
    "purple": (130, 64, 180),
    "white": (251, 251, 250),
    "black": (54, 52, 53),
    "brown": (128, 79, 45),
    "orange": (244, 130, 34),
    "pink": (247, 138, 182),
    "silver": (158, 174, 198),
    "golden": (220, 160, 34),
}

HAIR_COLORS: dict[str, RGB] = {
    "black": (58, 50, 56),
    "brown": (118, 70, 40),
    "blond": (244, 205, 106),
    "red": (190, 76, 36),
    "white": (248, 247, 245),
    "grey": (142, 148, 162),
}

# An animal's coat of fur, or a dragon's scales.
FURS: dict[str, RGB] = {
    "brown": (150, 96, 56),
    "golden": (232, 178, 92),
    "white": (250, 248, 244),
    "black": (76, 72, 82),
    "grey": (130, 139, 161),
    "orange": (240, 138, 48),
    "red": (206, 62, 48),
    "green": (92, 172, 84),
    "blue": (70, 130, 210),
    "purple": (142, 88, 190),
}
ANIMAL_FURS: dict[str, tuple[str, ...]] = {
    "dog": ("brown", "golden", "white", "black", "grey"),
    "cat": ("orange", "grey", "black", "white"),
    "bear": ("brown", "black", "white"),
    "rabbit": ("white", "grey", "brown"),
    "fox": ("orange", "white", "grey"),
    "dragon": ("green", "red", "blue", "purple"),
}

SKINS: tuple[RGB, ...] = ((255, 220, 194), (240, 190, 148), (190, 130, 88), (136, 88, 60))

GARMENTS = ("armor", "robe", "dress", "tunic", "coat")
ITEMS = ("sword", "staff", "book", "lantern", "shield")
EXPRESSIONS = ("smile", "grin")
POSES = ("hanging", "waving")

# The garments that a role is likelier to wear, each 2.7 times as likely as any other.
ROLE_GARMENTS: dict[str, tuple[str, ...]] = {
    "knight": ("armor",),
    "wizard": ("robe",),
    "witch": ("robe", "dress"),
    "princess": ("dress",),
    "king": ("robe", "armor"),
    "queen": ("dress", "robe"),
    "farmer": ("tunic", "coat"),
    "pirate": ("coat",),
    "elf": ("tunic",),
    "robot": ("armor",),
    "explorer": ("coat", "tunic"),
    "girl": ("dress",),
    "boy": ("tunic", "coat"),
    "woman": ("dress", "coat"),
    "man": ("tunic", "coat"),
    "grandmother": ("dress", "coat"),
    "grandfather": ("coat", "tunic"),
    "dog": ("tunic", "coat"),
    "cat": ("dress", "coat"),
    "bear": ("coat", "tunic"),
    "rabbit": ("dress", "coat"),
    "fox": ("tunic", "coat"),
    "dragon": ("armor", "robe"),
}
ROLES = tuple(ROLE_GARMENTS)
AGED = ("grandmother", "grandfather")
BEARDED = ("wizard", "king", "man", "grandfather")
"""Roles with a beard or a moustache."""

# The hair styles a role may have; a robot and the animals have no hair.
ROLE_HAIR: dict[str, tuple[str, ...]] = {
    "knight": ("short", "long"),
    "wizard": ("long",),
    "witch": ("long", "curly"),
    "princess": ("long",),
    "king": ("short",),
    "queen": ("buns",),
    "farmer": ("short", "long"),
    "pirate": ("short", "curly"),
    "elf": ("long",),
    "explorer": ("short", "curly"),
    "girl": ("pigtails",),
    "boy": ("tousled",),
    "woman": ("long", "curly"),
    "man": ("short",),
    "grandmother": ("bun",),
    "grandfather": ("bald",),
}
HAIR_STYLES = tuple(dict.fromkeys(style for styles in ROLE_HAIR.values() for style in styles))


@dataclass(frozen=True)
class Figure:
    """One figure. Captions may mention every field but `skin`.

    People have hair and skin, and animals have fur; a robot has none of these.
    """

    role: str
    garment: str
    garment_color: str
    hair_color: str | None
    hair_style: str | None
    fur: str | None
    cape_color: str | None
    item: str | None
    skin: RGB | None
    expression: str
    pose: str

    @property
    def has_hair(self) -> bool:
        """Return whether hair can be seen at all."""
        return self.hair_color is not None

    @property
    def is_animal(self) -> bool:
        """Return whether this is an animal, with fur (a dragon: scales) for hair and skin."""
        return self.fur is not None


def garment_rgb(color: str) -> RGB:
    """Return the main fill of a garment of this colour."""
    return COLORS[color]


def looks_in_a_round(figure: Figure) -> int:
    """Return how often a round of training shows this figure: twice if it has what is learnt slowly."""
    slow = (
        figure.role in BEARDED
        or figure.hair_color in ("black", "white", "grey")
        or figure.fur in ("black", "grey")
        or figure.garment_color in ("black", "white", "silver")
        or figure.cape_color == "black"
    )
    return 2 if slow else 1


def sample_figure(rng: random.Random) -> Figure:
    """Sample a random figure; every role may wear every garment in every colour."""
    role = rng.choice(ROLES)
    weights = [4 if name in ROLE_GARMENTS[role] else 1.5 for name in GARMENTS]
    garment = rng.choices(GARMENTS, weights)[0]
    colors = tuple(COLORS)
    color_weights = [2.5 if garment == "armor" and color in ("silver", "golden") else 1.0 for color in colors]
    garment_color = rng.choices(colors, color_weights)[0]
    cape_colors = [color for color in colors if color != garment_color]
    cape = rng.choice(cape_colors) if rng.random() < 0.25 else None
    item = rng.choice(ITEMS) if rng.random() < 0.6 else None
    hair, style, fur, skin = None, None, None, None
    if role in ROLE_HAIR:
        hair = rng.choices(tuple(HAIR_COLORS), _hair_weights(role))[0]
        style = rng.choice(ROLE_HAIR[role])
        skin = rng.choice(SKINS)
    elif role in ANIMAL_FURS:
        fur = rng.choice(ANIMAL_FURS[role])
    expression, pose = rng.choice(EXPRESSIONS), rng.choice(POSES)
    return Figure(role, garment, garment_color, hair, style, fur, cape, item, skin, expression, pose)


def _hair_weights(role: str) -> tuple[float, ...]:
    """Return the sampling weight of each of HAIR_COLORS."""
    if role in AGED:
        return (0, 0, 0, 0, 1, 1)
    if role in ("wizard", "king"):
        return (1, 1, 1, 1, 2, 1.5)
    if role in ("girl", "boy"):
        return (1, 1.2, 1.2, 1, 0, 0)
    return (1, 1.2, 1.2, 1, 0.5, 0.3)
