"""Heads, faces and hair."""

from models.training.figures.figure_spec import AGED, HAIR_COLORS, Figure
from models.training.figures.outfits import METAL, skin_paint
from models.training.figures.svg import Paint, box, dot, oval, paint, path, solid, stroke

DARK = "rgb(46,32,36)"
_UNDER_A_BRIM = ("wizard", "witch", "farmer", "pirate", "explorer")
_WITH_LASHES = ("witch", "princess", "queen", "girl", "woman", "grandmother")
_BEARDED = ("king", "wizard", "man", "grandfather")


def hair_paint(figure: Figure) -> Paint:
    """Return the tones of the figure's hair. Raises ValueError for a figure without any."""
    if figure.hair_color is None:
        raise ValueError(f"a {figure.role} has no hair")
    return paint(HAIR_COLORS[figure.hair_color])


def draw_back_hair(figure: Figure) -> str:
    """Draw the hair that falls behind the body."""
    if not figure.has_hair:
        return ""
    tones, style = hair_paint(figure), figure.hair_style
    if style == "long":
        d = (
            "M110 160Q106 88 192 86Q278 88 274 160Q290 196 278 228Q292 262 280 296Q280 328 240 318"
            "H144Q104 328 104 296Q92 262 106 228Q94 196 110 160Z"
        )
        return solid(d, tones, "M120 236H264V340H250Q256 296 192 286Q128 296 134 340H120Z")
    if style == "curly":
        spots = ((114, 148), (102, 182), (108, 218), (270, 148), (282, 182), (276, 218))
        rims = "".join(dot(x, y, 32, tones.line) for x, y in spots)
        return rims + "".join(dot(x, y, 26, tones.main) for x, y in spots)
    if style == "pigtails":
        out = ""
        for side in (-1, 1):
            x = 192 + side * 92
            d = (
                f"M{x - side * 20} 172Q{x + side * 40} 142 {x + side * 38} 214"
                f"Q{x + side * 30} 268 {x - side * 8} 276Q{x - side * 2} 228 {x - side * 20} 172Z"
            )
            out += solid(d, tones, f"M{x - side * 14} 196Q{x + side * 14} 236 {x - side * 8} 290Z")
            out += dot(x - side * 12, 174, 14, "rgb(232,84,116)", "rgb(112,24,44)")
        return out
    if style == "buns":
        return "".join(
            solid(oval(192 + s * 84, 128, 32, 32), tones, oval(198 + s * 84, 146, 32, 19)) for s in (-1, 1)
        )
    if style == "bun":
        return solid(oval(192, 74, 42, 38), tones, oval(198, 96, 42, 24))
    return ""


def draw_head(figure: Figure) -> str:
    """Draw the bare head with its face."""
    if figure.role == "robot":
        return _robot_head(figure)
    skin = skin_paint(figure)
    ears = ""
    for side in (-1, 1):
        x = 192 + side * 73
        if figure.role == "elf":
            d = (
                f"M{x - side * 8} 162Q{x + side * 28} 142 {x + side * 56} 120"
                f"Q{x + side * 52} 184 {x - side * 8} 204Z"
            )
            inner = f"M{x + side * 4} 174Q{x + side * 22} 160 {x + side * 38} 146Q{x + side * 30} 180 {x + side * 4} 190Z"
            ears += path(d, skin.main, skin.line) + path(inner, skin.shade)
        else:
            ears += path(oval(x + side * 3, 182, 15, 18), skin.main, skin.line)
    face = "M118 164C116 118 150 96 192 96C234 96 268 118 266 164C268 214 234 236 192 236C150 236 116 214 118 164Z"
    shade = "M108 198Q150 230 192 230Q234 230 276 198V244H108Z"
    return ears + solid(face, skin, shade) + _face(figure)


def draw_eyes(x: float, y: float, lashes: bool = False) -> str:
    """Draw two large dark eyes with a highlight in each, `x` px on either side of the middle."""
    out = ""
    for side in (-1, 1):
        middle = 192 + side * x
        if lashes:
            out += stroke(f"M{middle + side * 8} {y - 12}L{middle + side * 23} {y - 21}", DARK, 6)
        out += path(oval(middle, y, 15, 19), DARK) + dot(middle - 4, y - 7, 6.5, "white")
    return out


def draw_mouth(figure: Figure, y: float) -> str:
    """Draw a smile, closed or open."""
    if figure.expression == "grin":
        return path(
            f"M168 {y - 7}Q192 {y - 1} 216 {y - 7}Q213 {y + 18} 192 {y + 18}Q171 {y + 18} 168 {y - 7}Z",
            "rgb(176,48,56)",
            DARK,
            5,
        )
    return stroke(f"M169 {y - 6}Q192 {y + 15} 215 {y - 6}", DARK, 6)


def _face(figure: Figure) -> str:
    out = "".join(
        f'<ellipse cx="{192 + s * 52}" cy="208" rx="14" ry="10" fill="rgb(238,112,106)" fill-opacity="0.55"/>'
        for s in (-1, 1)
    )
    if figure.role not in _UNDER_A_BRIM:
        hair = hair_paint(figure)
        tone = hair.line if figure.hair_color in ("white", "blond") else hair.shade
        out += stroke("M144 155Q158 145 174 151M240 155Q226 145 210 151", tone, 6)
    out += draw_eyes(33, 184, figure.role in _WITH_LASHES)
    return out + ("" if figure.role in _BEARDED else draw_mouth(figure, 213))


def _robot_head(figure: Figure) -> str:
    metal, glow = paint(METAL), "rgb(110,240,246)"
    out = stroke("M192 104V70", metal.line, 12)
    out += dot(192, 58, 18, "rgb(240,76,70)", metal.line) + dot(186, 52, 6, "white")
    for side in (-1, 1):
        out += path(box(192 + side * 80 - 14, 144, 28, 52, 9), metal.shade, metal.line)
    out += solid(box(114, 92, 156, 144, 28), metal, "M106 214H284V244H106Z", box(130, 102, 66, 13, 6))
    out += path(box(130, 128, 124, 90, 22), "rgb(40,46,62)", metal.line)
    for side in (-1, 1):
        x = 192 + side * 30
        out += path(oval(x, 162, 17, 21), glow) + dot(x - 4, 154, 6.5, "white")
    bend = 214 if figure.expression == "grin" else 206
    return out + stroke(f"M168 194Q192 {bend} 216 194", glow, 8)


def draw_front_hair(figure: Figure) -> str:
    """Draw the hair over the brow and beside the face."""
    if not figure.has_hair:
        return ""
    tones, style = hair_paint(figure), figure.hair_style
    if style == "bald":
        return "".join(
            path(
                f"M{192 + s * 62} 150Q{192 + s * 98} 138 {192 + s * 94} 178Q{192 + s * 92} 210 {192 + s * 70} 204"
                f"Q{192 + s * 78} 178 {192 + s * 62} 150Z",
                tones.main,
                tones.line,
            )
            for s in (-1, 1)
        )
    cap = "M112 172Q104 86 192 84Q280 86 272 172"
    if style == "tousled":
        d = (
            "M112 172Q98 120 126 104Q124 80 150 84Q162 60 188 76Q216 56 230 82Q256 78 258 104"
            "Q286 120 272 172Q258 164 256 142Q234 156 214 138Q192 156 170 138Q150 156 128 142Q126 164 112 172Z"
        )
    elif style in ("long", "bun"):
        d = cap + "Q258 160 250 142Q212 140 192 116Q172 140 134 142Q126 160 112 172Z"
    else:
        d = cap + "Q256 164 252 138Q206 144 176 122Q164 142 132 146Q128 164 112 172Z"
    out = solid(
        d,
        tones,
        "M240 84H290V180H250Q256 120 240 84Z",
        "M140 112Q158 98 182 98Q180 108 164 112Q148 116 140 124Z",
    )
    if style == "long":
        for s in (-1, 1):
            x = 192 + s * 77
            lock = (
                f"M{x - s * 4} 148Q{x + s * 14} 200 {x + s * 6} 264"
                f"Q{x - s * 20} 246 {x - s * 15} 196Q{x - s * 16} 176 {x - s * 10} 154Z"
            )
            out += path(lock, tones.main, tones.line)
    return out


def draw_beard(figure: Figure) -> str:
    """Draw the beard of a king, a wizard or a man, or a grandfather's moustache."""
    if figure.role not in _BEARDED:
        return ""
    tones = hair_paint(figure)
    mouth = path("M174 216Q192 224 210 216Q206 234 192 234Q178 234 174 216Z", "rgb(176,48,56)", DARK, 5)
    tash = "M192 204Q166 192 142 210Q162 228 192 214Q222 228 242 210Q218 192 192 204Z"
    if figure.role == "grandfather":
        return mouth + path(tash, tones.main, tones.line)
    if figure.role == "man":
        d = "M116 178Q128 208 158 202Q176 196 192 202Q208 196 226 202Q256 208 268 178Q270 244 192 246Q114 244 116 178Z"
        return solid(d, tones) + draw_mouth(figure, 219)
    low = 300 if figure.role == "wizard" else 274
    d = (
        f"M116 178Q126 210 152 204Q172 196 192 206Q212 196 232 204Q258 210 268 178Q274 240 238 {low - 26}"
        f"Q216 {low - 8} 192 {low}Q168 {low - 8} 146 {low - 26}Q110 240 116 178Z"
    )
    return (
        solid(d, tones, f"M228 190H290V{low + 10}H196Q236 260 228 190Z")
        + mouth
        + path(tash, tones.light, tones.line)
    )


def draw_glasses(figure: Figure) -> str:
    """Draw the round glasses of a grandmother or a grandfather."""
    if figure.role not in AGED:
        return ""
    out = ""
    for tone, width in ((DARK, 11), ("rgb(240,196,84)", 6)):
        for side in (-1, 1):
            out += stroke(oval(192 + side * 33, 184, 26, 27), tone, width)
        out += stroke("M185 180Q192 175 199 180", tone, width)
    return out
