"""What a picture-book figure is made of, and how figures are drawn by lot."""

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
    "silver": (172, 184, 198),
    "golden": (220, 160, 34),
}

HAIR_COLORS: dict[str, RGB] = {
    "black": (52, 44, 48),
    "brown": (118, 70, 40),
    "blond": (244, 205, 106),
    "red": (190, 76, 36),
    "white": (244, 243, 240),
    "grey": (150, 152, 158),
}

SKINS: tuple[RGB, ...] = (
    (255, 222, 196),
    (250, 206, 170),
    (232, 178, 134),
    (190, 130, 88),
    (136, 88, 60),
)
BOOTS: tuple[RGB, ...] = ((112, 70, 44), (74, 70, 76), (140, 84, 54), (92, 56, 50))
LEGGINGS: tuple[RGB, ...] = ((120, 104, 92), (96, 98, 108), (172, 150, 122))

GARMENTS = ("armor", "robe", "dress", "tunic", "coat")
ITEMS = ("sword", "staff", "book", "lantern", "shield")
EXPRESSIONS = ("smile", "grin", "calm", "joy")

# The garments a role is likelier to wear, each three times as likely as the rest.
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
}
ROLES = tuple(ROLE_GARMENTS)

# The hair styles a role may have; a robot has no hair.
ROLE_HAIR: dict[str, tuple[str, ...]] = {
    "knight": ("short", "bob", "long"),
    "wizard": ("short", "long"),
    "witch": ("long", "bob", "curly"),
    "princess": ("long", "wavy"),
    "king": ("short", "bob"),
    "queen": ("bun",),
    "farmer": ("short", "bob", "curly"),
    "pirate": ("short", "long", "curly"),
    "elf": ("long", "bob"),
    "robot": ("none",),
    "explorer": ("short", "bob", "curly"),
    "girl": ("pigtails", "long"),
    "boy": ("tousled", "short"),
}


@dataclass(frozen=True)
class Figure:
    """One figure: what a caption may say, then the looks it leaves unsaid."""

    role: str
    garment: str
    garment_color: str
    hair_color: str
    hair_style: str
    cape_color: str | None
    item: str | None
    skin: RGB
    boots: RGB
    leggings: RGB
    expression: str
    fringe: int
    pose: int
    trim: int
    item_look: int
    hat_look: int
    dx: float
    dy: float
    scale: float

    @property
    def has_hair(self) -> bool:
        """Whether hair can be seen at all."""
        return self.hair_style != "none"


def garment_rgb(color: str) -> RGB:
    """The main fill of a garment of this colour."""
    return COLORS[color]


def sample_figure(rng: random.Random) -> Figure:
    """Draw one figure by lot; every role may wear every garment in every colour."""
    role = rng.choice(ROLES)
    weights = [4 if name in ROLE_GARMENTS[role] else 1.5 for name in GARMENTS]
    garment = rng.choices(GARMENTS, weights)[0]
    colors = tuple(COLORS)
    color_weights = [2.5 if garment == "armor" and color in ("silver", "golden") else 1.0 for color in colors]
    garment_color = rng.choices(colors, color_weights)[0]
    aged = role in ("wizard", "king")
    hair_weights = [1, 1, 1, 1, 2, 1.5] if aged else [1, 1.2, 1.2, 1, 0.5, 0.3]
    cape_colors = [color for color in colors if color != garment_color]
    return Figure(
        role=role,
        garment=garment,
        garment_color=garment_color,
        hair_color=rng.choices(tuple(HAIR_COLORS), hair_weights)[0],
        hair_style=rng.choice(ROLE_HAIR[role]),
        cape_color=rng.choice(cape_colors) if rng.random() < 0.3 else None,
        item=rng.choice(ITEMS) if rng.random() < 0.7 else None,
        skin=rng.choice(SKINS),
        boots=rng.choice(BOOTS),
        leggings=rng.choice(LEGGINGS),
        expression=rng.choices(EXPRESSIONS, [4, 3, 2, 1])[0],
        fringe=rng.randrange(3),
        pose=rng.randrange(3),
        trim=rng.randrange(3),
        item_look=rng.randrange(3),
        hat_look=rng.randrange(2),
        dx=rng.uniform(-6, 6),
        dy=rng.uniform(-6, 4),
        scale=rng.uniform(0.97, 1.03),
    )
