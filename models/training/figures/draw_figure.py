"""Assemble the whole picture of a picture-book figure."""

from PIL import Image

from models.training.figures.animals import draw_animal_back, draw_animal_head
from models.training.figures.figure_spec import COLORS, RGB, Figure, garment_rgb, sample_figure
from models.training.figures.hats import draw_hat
from models.training.figures.heads import draw_back_hair, draw_beard, draw_front_hair, draw_glasses, draw_head
from models.training.figures.items import draw_item
from models.training.figures.outfits import (
    HAND_R,
    HAND_X,
    HAND_Y,
    draw_arm,
    draw_cape,
    draw_cape_collar,
    draw_garment,
    draw_legs,
    skin_paint,
)
from models.training.figures.svg import css
from models.training.raster import rasterise

__all__ = ["COLORS", "Figure", "draw_figure", "figure_svg", "garment_rgb", "sample_figure"]

WIDTH, HEIGHT = 384, 512
BACKDROP: RGB = (211, 211, 211)
"""CSS's lightgray: one flat tone, darker than a white garment and lighter than a silver one."""


def figure_svg(figure: Figure, width: int = WIDTH, height: int = HEIGHT, backdrop: RGB = BACKDROP) -> str:
    """Return a figure's picture as an SVG document, without a shadow, which would be cut out with it."""
    parts = (
        draw_cape(figure),
        draw_animal_back(figure) if figure.is_animal else draw_back_hair(figure),
        draw_legs(figure),
        draw_arm(figure, free=True),
        draw_arm(figure, free=False),
        draw_garment(figure),
        draw_cape_collar(figure),
        draw_item(figure.item, HAND_X, HAND_Y, skin_paint(figure), HAND_R),
        *_head_parts(figure),
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
        f'viewBox="0 0 {WIDTH} {HEIGHT}" preserveAspectRatio="none">'
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="{css(backdrop)}"/>'
        f"<g>{''.join(parts)}</g></svg>"
    )


def _head_parts(figure: Figure) -> tuple[str, ...]:
    if figure.is_animal:
        return (draw_animal_head(figure),)
    return (
        draw_head(figure),
        draw_front_hair(figure),
        draw_beard(figure),
        draw_glasses(figure),
        draw_hat(figure),
    )


def draw_figure(figure: Figure, width: int = WIDTH, height: int = HEIGHT) -> Image.Image:
    """Draw a figure; the same figure always gives the same pixels."""
    return rasterise(figure_svg(figure, width, height), width, height)
