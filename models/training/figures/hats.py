"""Draw the headgear of each role."""

import math

from models.training.figures.figure_spec import COLORS, RGB, Figure, garment_rgb
from models.training.figures.svg import Paint, dot, oval, paint, path, solid, stroke, trim_paint

GOLD = paint((240, 186, 52))
STRAW = paint((236, 200, 112))
STEEL = paint((180, 190, 204))
RUBY: RGB = (214, 52, 72)
SAPPHIRE: RGB = (62, 120, 214)


def draw_hat(figure: Figure) -> str:
    """Draw the role's headgear."""
    drawers = {
        "knight": _helmet,
        "wizard": _wizard_hat,
        "witch": _witch_hat,
        "princess": _tiara,
        "king": _king_crown,
        "queen": _queen_crown,
        "farmer": _straw_hat,
        "pirate": _pirate_hat,
        "elf": _leaf_band,
        "explorer": _pith_helmet,
        "girl": _bow,
    }
    drawer = drawers.get(figure.role)
    lift = {"farmer": 14, "explorer": 12, "pirate": 10}.get(figure.role, 0)
    return f'<g transform="translate(0 {-lift})">{drawer(figure)}</g>' if drawer else ""


def _star(x: float, y: float, r: float, fill: str) -> str:
    points = []
    for k in range(10):
        radius = r if k % 2 == 0 else r * 0.48
        angle = math.pi * k / 5 - math.pi / 2
        points.append(f"{x + radius * math.cos(angle):.1f} {y + radius * math.sin(angle):.1f}")
    return path("M" + "L".join(points) + "Z", fill, fill, 3)


def _helmet(figure: Figure) -> str:
    plume = paint(RUBY)
    feather = "M186 84Q176 40 214 34Q262 32 288 84Q292 108 280 120Q262 88 224 82Q206 80 200 90Z"
    shell = (
        "M108 214Q98 70 192 68Q286 70 276 214Q276 226 262 226Q250 226 252 210Q264 144 240 128"
        "Q192 106 144 128Q120 144 132 210Q134 226 122 226Q108 226 108 214Z"
    )
    return (
        solid(feather, plume, "M210 90Q250 70 284 124L262 130Z", oval(226, 50, 18, 7))
        + solid(
            shell,
            STEEL,
            "M238 70H290V236H248Q270 140 238 70Z",
            "M130 116Q146 92 172 90Q168 102 152 108Q140 114 132 132Z",
        )
        + stroke("M192 70V114", STEEL.line, 5)
        + dot(122, 180, 8, GOLD.main, GOLD.line, 4)
        + dot(262, 180, 8, GOLD.main, GOLD.line, 4)
    )


def _hat_tones(figure: Figure) -> Paint:
    return paint(garment_rgb(figure.garment_color))


def _wizard_hat(figure: Figure) -> str:
    tones = _hat_tones(figure)
    trim = trim_paint(figure.garment_color)
    cone = "M126 130Q152 84 174 46Q194 26 230 40Q246 48 240 58Q224 52 214 60Q236 92 258 130Q192 148 126 130Z"
    brim = "M80 138Q88 116 126 118Q192 132 258 118Q296 116 304 138Q282 158 192 158Q102 158 80 138Z"
    spark = (
        "rgb(255,226,110)"
        if figure.garment_color not in ("yellow", "golden", "white", "silver", "orange", "pink")
        else "rgb(78,82,160)"
    )
    return (
        solid(cone, tones, "M206 30Q214 90 222 160H280V30Z")
        + _star(184, 78, 16, spark)
        + _star(222, 98, 11, spark)
        + solid(brim, tones, "M84 146Q192 172 300 146V180H84Z")
        + path("M131 106Q192 124 253 106L259 124Q192 142 125 124Z", trim.main, trim.line)
    )


def _witch_hat(figure: Figure) -> str:
    black = paint(COLORS["black"])
    band = paint(RUBY if figure.garment_color in ("black", "white") else garment_rgb(figure.garment_color))
    cone = "M130 124Q146 88 158 60Q174 36 216 42Q262 50 272 84Q250 72 224 76Q244 100 254 124Q192 144 130 124Z"
    brim = "M66 136Q84 110 130 118Q192 132 254 118Q300 110 318 136Q286 160 192 157Q98 160 66 136Z"
    return (
        solid(cone, black, "M206 50Q212 100 216 160H290V60Z", "M170 56Q182 44 200 46Q184 56 176 74Z")
        + solid(brim, black, "M70 144Q192 170 314 144V180H70Z")
        + path("M136 100Q192 118 247 100L254 122Q192 142 130 122Z", band.main, black.line)
        + path("M178 104h28v26h-28Z", "none", GOLD.main, 6)
    )


def _tiara(figure: Figure) -> str:
    gem = paint(SAPPHIRE)
    d = "M138 122Q142 102 148 88L168 104L192 66L216 104L236 88Q242 102 246 122Q192 104 138 122Z"
    return (
        solid(d, GOLD, "M214 70H260V130H214Z")
        + dot(192, 98, 11, gem.main, gem.line, 4)
        + dot(148, 86, 9, GOLD.light, GOLD.line, 4)
        + dot(236, 86, 9, GOLD.light, GOLD.line, 4)
    )


def _king_crown(figure: Figure) -> str:
    gem = paint(SAPPHIRE)
    d = "M122 128L108 64L150 88L192 50L234 88L276 64L262 128Q192 146 122 128Z"
    balls = "".join(dot(x, y, 10, GOLD.light, GOLD.line) for x, y in ((108, 62), (192, 50), (276, 62)))
    return (
        solid(d, GOLD, "M222 40H290V150H216Z", "M136 90l14 10v26h-14Z")
        + balls
        + path("M120 112Q192 130 264 112L262 130Q192 148 122 130Z", "rgb(250,244,232)", GOLD.line)
        + dot(192, 96, 12, gem.main, gem.line)
    )


def _queen_crown(figure: Figure) -> str:
    gem = paint(SAPPHIRE)
    d = "M144 112L134 60L160 76L170 44L192 68L214 44L224 76L250 60L240 112Q192 126 144 112Z"
    balls = "".join(
        dot(x, y, 7.5, gem.main, gem.line, 4) for x, y in ((134, 58), (170, 42), (214, 42), (250, 58))
    )
    return (
        solid(d, GOLD, "M210 40H260V130H208Z")
        + balls
        + dot(192, 94, 11, gem.main, gem.line)
        + "".join(dot(x, 214, 8, GOLD.main, GOLD.line, 4) for x in (122, 262))
    )


def _straw_hat(figure: Figure) -> str:
    band = paint(RUBY)
    top = "M134 126Q134 62 192 60Q250 62 250 126Q192 142 134 126Z"
    brim = "M72 138Q100 110 134 116Q192 130 250 116Q284 110 312 138Q280 162 192 160Q104 162 72 138Z"
    return (
        solid(brim, STRAW, "M80 146Q192 172 304 146V180H80Z")
        + solid(top, STRAW, "M226 60Q234 100 226 150H270V60Z", oval(170, 80, 18, 9))
        + path("M134 104Q192 120 250 104L250 126Q192 142 134 126Z", band.main, band.line)
        + stroke("M98 138L112 144M272 144L286 138", STRAW.line, 4)
    )


def _pirate_hat(figure: Figure) -> str:
    dark = paint((64, 52, 50))
    hat = "M78 128Q92 84 134 84Q148 50 192 48Q236 50 250 84Q292 84 306 128Q250 142 192 136Q134 142 78 128Z"
    edge = stroke("M80 122Q94 92 138 92Q192 62 246 92Q290 92 304 122", GOLD.main, 7)
    skull = path(
        "M166 104Q166 76 192 76Q218 76 218 104Q218 114 210 116V126H174V116Q166 114 166 104Z",
        "rgb(250,246,236)",
        dark.line,
        5,
    )
    eyes = dot(182, 102, 6.5, dark.line) + dot(202, 102, 6.5, dark.line)
    return solid(hat, dark, "M80 126Q192 146 304 126V150H80Z", "", edge) + skull + eyes


def _leaf_band(figure: Figure) -> str:
    leaf = paint((86, 172, 78))
    out = stroke("M116 142Q192 104 268 142", leaf.line, 13) + stroke("M116 142Q192 104 268 142", leaf.main, 6)
    for x, y, turn in ((140, 124, -40), (166, 114, -20), (218, 114, 20), (244, 124, 40)):
        d = f"M{x} {y + 10}Q{x - 17} {y - 8} {x} {y - 28}Q{x + 17} {y - 8} {x} {y + 10}Z"
        out += f'<g transform="rotate({turn} {x} {y})">{path(d, leaf.main, leaf.line)}</g>'
    gem = paint(SAPPHIRE)
    return out + dot(192, 122, 11, gem.main, gem.line)


def _pith_helmet(figure: Figure) -> str:
    khaki = paint((214, 190, 142))
    top = "M124 132Q122 60 192 56Q262 60 260 132Q192 146 124 132Z"
    brim = "M92 142Q110 122 140 124Q192 132 244 124Q274 122 292 142Q268 160 192 156Q116 160 92 142Z"
    out = solid(top, khaki, "M232 56Q244 100 236 150H280V56Z", oval(164, 80, 20, 10))
    out += dot(192, 56, 9, khaki.main, khaki.line) + solid(brim, khaki, "M96 148Q192 170 288 148V180H96Z")
    frame = "rgb(84,60,48)"
    out += stroke("M124 112Q192 122 260 112", frame, 13)
    for x in (164, 220):
        out += path(oval(x, 110, 24, 21), "rgb(140,208,226)", frame, 7) + path(
            oval(x - 7, 103, 7, 5), "white"
        )
    return out


def _bow(figure: Figure) -> str:
    tones = paint((232, 84, 116))
    x, y = 192, 84
    wings = f"M{x} {y}L{x - 40} {y - 26}Q{x - 50} {y} {x - 40} {y + 22}ZM{x} {y}L{x + 40} {y - 26}Q{x + 50} {y} {x + 40} {y + 22}Z"
    return solid(wings, tones, f"M{x - 50} {y + 6}H{x + 50}V{y + 30}H{x - 50}Z") + dot(
        x, y - 1, 12, tones.light, tones.line
    )
