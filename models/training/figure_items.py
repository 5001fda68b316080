"""The things a figure may hold in the hand on the viewer's right."""

from models.training.figure_spec import RGB
from models.training.figure_svg import Paint, box, dot, oval, paint, path, solid, stroke

STEEL: RGB = (196, 206, 218)
WOOD: RGB = (150, 98, 56)
GOLD: RGB = (232, 182, 66)
ACCENTS: tuple[RGB, ...] = ((70, 180, 190), (190, 70, 80), (96, 110, 190))


def draw_item(item: str | None, x: float, y: float, look: int, hand: Paint) -> str:
    """The item in a hand at (x, y), with the hand's fingers over it."""
    accent = paint(ACCENTS[look])
    fingers = dot(x, y, 17, hand.main, hand.line)
    if item == "sword":
        return _sword(x, y, accent) + fingers
    if item == "staff":
        return f'<g transform="rotate(4 {x} {y})">{_staff(x, y, accent, look)}</g>{fingers}'
    if item == "book":
        return _book(x, y, accent) + dot(x - 26, y + 14, 14, hand.main, hand.line)
    if item == "lantern":
        return _lantern(x, y) + fingers
    if item == "shield":
        return _shield(x, y, accent, look)
    return fingers


def _sword(x: float, y: float, accent: Paint) -> str:
    steel, wood, gold = paint(STEEL), paint(WOOD), paint(GOLD)
    blade = f"M{x - 13} {y - 26}V{y - 148}L{x} {y - 172}L{x + 13} {y - 148}V{y - 26}Z"
    half = f"M{x} {y - 180}H{x + 20}V{y}H{x}Z"
    shine = f"M{x - 8} {y - 30}V{y - 150}H{x - 3}V{y - 30}Z"
    return (
        f'<g transform="rotate(9 {x} {y})">'
        + path(box(x - 8, y - 24, 16, 56, 6), wood.main, wood.line)
        + dot(x, y + 34, 11, accent.main, accent.line)
        + solid(blade, steel, half, shine)
        + path(box(x - 36, y - 36, 72, 16, 8), gold.main, gold.line)
        + "</g>"
    )


def _staff(x: float, y: float, accent: Paint, look: int) -> str:
    wood = paint(WOOD)
    top = y - 158
    pole = solid(box(x - 8, top + 10, 16, 282, 7), wood, f"M{x + 2} {top}h20v300h-20Z")
    if look == 1:
        crook = f"M{x} {top + 24}V{top + 4}C{x} {top - 40} {x + 46} {top - 28} {x + 34} {top + 6}"
        return pole + stroke(crook, wood.line, 22) + stroke(crook, wood.main, 14)
    claws = path(f"M{x - 24} {top}Q{x} {top + 56} {x + 24} {top}Z", wood.main, wood.line)
    orb = solid(oval(x, top - 4, 24, 24), accent, "", oval(x - 8, top - 12, 8, 8))
    return pole + claws + orb


def _book(x: float, y: float, accent: Paint) -> str:
    gold = paint(GOLD)
    cover = box(x - 32, y - 46, 70, 86, 8)
    pages = path(box(x - 24, y - 38, 66, 84, 6), "rgb(252,246,230)", "rgb(120,100,80)")
    return (
        f'<g transform="rotate(8 {x} {y})">'
        + pages
        + solid(cover, accent, f"M{x - 40} {y - 60}h24v120h-24Z")
        + dot(x + 11, y - 5, 15, gold.main, gold.line, 3.5)
        + "</g>"
    )


def _lantern(x: float, y: float) -> str:
    iron = paint((92, 84, 84))
    glass = path(box(x - 25, y + 46, 50, 54, 10), "rgb(255,226,110)", iron.line)
    flame = path(
        f"M{x} {y + 54}Q{x + 20} {y + 78} {x} {y + 94}Q{x - 20} {y + 78} {x} {y + 54}Z",
        "rgb(255,160,50)",
    )
    return (
        path(oval(x, y + 72, 62, 62), "url(#glow)")
        + stroke(f"M{x - 16} {y + 42}Q{x} {y - 26} {x + 16} {y + 42}", iron.line, 6)
        + glass
        + flame
        + dot(x, y + 84, 6, "rgb(255,250,215)")
        + path(f"M{x - 32} {y + 48}L{x - 14} {y + 28}H{x + 14}L{x + 32} {y + 48}Z", iron.main, iron.line)
        + path(box(x - 31, y + 96, 62, 15, 6), iron.main, iron.line)
    )


def _shield(x: float, y: float, accent: Paint, look: int) -> str:
    rim, gold = paint(STEEL), paint(GOLD)
    if look == 1:
        wood = paint(WOOD)
        return (
            solid(oval(x, y - 4, 56, 56), rim, "")
            + solid(oval(x, y - 4, 43, 43), wood, f"M{x + 8} {y - 60}h60v120h-60Z")
            + solid(oval(x, y - 4, 18, 18), rim, "", oval(x - 5, y - 10, 6, 6))
        )
    outer = _crest(x, y, 54, 72)
    inner = _crest(x, y - 1, 41, 57)
    cross = f"M{x - 8} {y - 70}h16v44h40v16h-40v80h-16v-80h-40v-16h40Z"
    emblem = path(cross, gold.main) if look == 0 else dot(x, y - 10, 21, gold.main, gold.line)
    return solid(outer, rim) + solid(inner, accent, f"M{x} {y - 80}h70v160h-70Z", "", emblem)


def _crest(x: float, y: float, w: float, h: float) -> str:
    return (
        f"M{x - w} {y - h * 0.8}Q{x} {y - h} {x + w} {y - h * 0.8}"
        f"C{x + w + 4} {y + h * 0.3} {x + w * 0.5} {y + h * 0.7} {x} {y + h}"
        f"C{x - w * 0.5} {y + h * 0.7} {x - w - 4} {y + h * 0.3} {x - w} {y - h * 0.8}Z"
    )
