"""Picture-book figures: the whole picture put together."""

from PIL import Image

from models.training.figure_hats import draw_hat
from models.training.figure_heads import (
    draw_back_hair,
    draw_beard,
    draw_front_hair,
    draw_head,
)
from models.training.figure_items import draw_item
from models.training.figure_outfits import (
    HAND_X,
    HAND_Y,
    draw_arm,
    draw_cape,
    draw_cape_collar,
    draw_garment,
    draw_legs,
    skin_paint,
)
from models.training.figure_spec import COLORS, Figure, garment_rgb, sample_figure
from models.training.figure_svg import oval, path
from models.training.raster import rasterise

__all__ = ["COLORS", "Figure", "draw_figure", "figure_svg", "garment_rgb", "sample_figure"]

WIDTH, HEIGHT = 384, 512
GROUND = 476

_DEFS = (
    '<defs><radialGradient id="floor">'
    '<stop offset="0" stop-color="rgb(70,62,60)" stop-opacity="0.17"/>'
    '<stop offset="0.55" stop-color="rgb(70,62,60)" stop-opacity="0.11"/>'
    '<stop offset="1" stop-color="rgb(70,62,60)" stop-opacity="0"/></radialGradient>'
    '<radialGradient id="glow"><stop offset="0.3" stop-color="rgb(255,222,110)" stop-opacity="0.6"/>'
    '<stop offset="1" stop-color="rgb(255,222,110)" stop-opacity="0"/></radialGradient></defs>'
)

# A soft gradient, one level of grey a band: far quicker to paint than a gradient fill.
_BACKDROP = "".join(
    f'<rect y="{64 * k}" width="{WIDTH}" height="{HEIGHT - 64 * k}" shape-rendering="crispEdges" '
    f'fill="rgb({231 - k},{229 - k},{225 - k})"/>'
    for k in range(8)
)


def figure_svg(figure: Figure, width: int = WIDTH, height: int = HEIGHT) -> str:
    """The picture of a figure as an SVG document."""
    parts = (
        path(oval(192, GROUND - 1, 138, 22), "url(#floor)"),
        draw_cape(figure),
        draw_back_hair(figure),
        draw_legs(figure),
        draw_arm(figure, free=True),
        draw_arm(figure, free=False),
        draw_garment(figure),
        draw_cape_collar(figure),
        draw_item(figure.item, HAND_X, HAND_Y, figure.item_look, skin_paint(figure)),
        draw_head(figure),
        draw_front_hair(figure),
        draw_beard(figure),
        draw_hat(figure),
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
        f'viewBox="0 0 {WIDTH} {HEIGHT}" preserveAspectRatio="none">{_DEFS}'
        f"{_BACKDROP}"
        f'<g transform="translate({192 + figure.dx:.2f} {GROUND + figure.dy:.2f}) '
        f'scale({figure.scale:.4f}) translate(-192 {-GROUND})">{"".join(parts)}</g></svg>'
    )


def draw_figure(figure: Figure, width: int = WIDTH, height: int = HEIGHT) -> Image.Image:
    """The picture of a figure; the same figure always gives the same pixels."""
    return rasterise(figure_svg(figure, width, height), width, height)
