"""The things a figure may hold in the hand on the viewer's right."""

from models.training.figures.figure_spec import RGB
from models.training.figures.svg import Paint, box, dot, oval, paint, path, solid, stroke

STEEL: RGB = (178, 194, 218)
WOOD: RGB = (150, 98, 56)
GOLD: RGB = (232, 182, 66)
TEAL: RGB = (50, 168, 186)
WINE: RGB = (182, 54, 74)
INDIGO: RGB = (76, 92, 186)


def draw_item(item: str | None, x: float, y: float, hand: Paint, radius: float) -> str:
    """Draw the item in a hand of this radius at (x, y), with the hand's fingers over it."""
    fingers = dot(x, y, radius, hand.main, hand.line)
    if item == "sword":
        return _sword(x, y) + fingers
    if item == "staff":
        return _staff(x, y) + fingers
    if item == "book":
        return _book(x, y) + dot(x - 28, y + 14, radius - 2, hand.main, hand.line)
    if item == "lantern":
        return _lantern(x, y) + fingers
    if item == "shield":
        return _shield(x + 8, y + 6)
    return fingers


def _sword(x: float, y: float) -> str:
    steel, wood, gold = paint(STEEL), paint(WOOD), paint(GOLD)
    blade = f"M{x - 16} {y - 26}V{y - 148}L{x} {y - 178}L{x + 16} {y - 148}V{y - 26}Z"
    half = f"M{x} {y - 190}H{x + 24}V{y}H{x}Z"
    return (
        f'<g transform="rotate(10 {x} {y})">'
        + path(box(x - 10, y - 24, 20, 60, 7), wood.main, wood.line)
        + dot(x, y + 38, 13, gold.main, gold.line)
        + solid(blade, steel, half)
        + path(box(x - 42, y - 42, 84, 20, 9), gold.main, gold.line)
        + "</g>"
    )


def _staff(x: float, y: float) -> str:
    wood, orb = paint(WOOD), paint(TEAL)
    top = y - 156
    return (
        f'<g transform="rotate(9 {x} {y})">'
        + solid(box(x - 10, top + 10, 20, 290, 8), wood, f"M{x + 2} {top}h20v310h-20Z")
        + path(f"M{x - 28} {top}Q{x} {top + 62} {x + 28} {top}Z", wood.main, wood.line)
        + solid(oval(x, top - 6, 29, 29), orb, "", oval(x - 9, top - 15, 9, 9))
        + "</g>"
    )


def _book(x: float, y: float) -> str:
    gold, cover = paint(GOLD), paint(WINE)
    return (
        f'<g transform="rotate(8 {x} {y})">'
        + path(box(x - 26, y - 40, 74, 90, 6), "rgb(252,246,230)", "rgb(96,76,62)")
        + solid(box(x - 34, y - 50, 76, 92, 8), cover, f"M{x - 44} {y - 60}h26v120h-26Z")
        + dot(x + 13, y - 6, 18, gold.main, gold.line, 4)
        + "</g>"
    )


def _lantern(x: float, y: float) -> str:
    iron = paint((84, 76, 80))
    flame = f"M{x} {y + 56}Q{x + 26} {y + 86} {x} {y + 106}Q{x - 26} {y + 86} {x} {y + 56}Z"
    return (
        stroke(f"M{x - 20} {y + 44}Q{x} {y - 28} {x + 20} {y + 44}", iron.line, 8)
        + path(box(x - 31, y + 48, 62, 62, 10), "rgb(255,230,112)", iron.line)
        + path(flame, "rgb(255,150,44)")
        + path(f"M{x - 40} {y + 52}L{x - 18} {y + 26}H{x + 18}L{x + 40} {y + 52}Z", iron.main, iron.line)
        + path(box(x - 38, y + 106, 76, 18, 7), iron.main, iron.line)
    )


def _shield(x: float, y: float) -> str:
    outer = _crest(x, y, 58, 76)
    cross = f"M{x - 10} {y - 80}h20v56h50v20h-50v90h-20v-90h-50v-20h50Z"
    return solid(outer, paint(STEEL)) + solid(
        _crest(x, y - 1, 43, 59),
        paint(INDIGO),
        f"M{x} {y - 80}h70v160h-70Z",
        "",
        path(cross, paint(GOLD).main),
    )


def _crest(x: float, y: float, w: float, h: float) -> str:
    return (
        f"M{x - w} {y - h * 0.8}Q{x} {y - h} {x + w} {y - h * 0.8}"
        f"C{x + w + 4} {y + h * 0.3} {x + w * 0.5} {y + h * 0.7} {x} {y + h}"
        f"C{x - w * 0.5} {y + h * 0.7} {x - w - 4} {y + h * 0.3} {x - w} {y - h * 0.8}Z"
    )
