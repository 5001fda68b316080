"""Heads, faces and hair."""

from models.training.figure_outfits import skin_paint
from models.training.figure_spec import HAIR_COLORS, Figure
from models.training.figure_svg import Paint, box, dot, oval, paint, path, solid, stroke

DARK = "rgb(46,32,36)"


def hair_paint(figure: Figure) -> Paint:
    """The tones of the figure's hair."""
    return paint(HAIR_COLORS[figure.hair_color])


def draw_back_hair(figure: Figure) -> str:
    """The hair that falls behind the body."""
    tones, style = hair_paint(figure), figure.hair_style
    if style in ("long", "wavy"):
        d = "M112 160Q108 92 192 90Q276 92 272 160Q276 230 286 306Q262 326 240 312H144Q122 326 98 306Q108 230 112 160Z"
        if style == "wavy":
            d = (
                "M112 160Q108 92 192 90Q276 92 272 160Q292 196 276 228Q300 262 280 296Q286 330 246 322"
                "H138Q98 330 104 296Q84 262 108 228Q92 196 112 160Z"
            )
        return solid(d, tones, "M120 230H264V340H250Q256 290 192 280Q128 290 134 340H120Z")
    if style == "bob":
        d = "M110 166Q104 92 192 90Q280 92 274 166Q282 212 274 238Q240 254 192 250Q144 254 110 238Q102 212 110 166Z"
        return solid(d, tones, "M120 214H264V260H120Z")
    if style == "curly":
        spots = (
            (116, 150),
            (106, 182),
            (112, 214),
            (134, 234),
            (268, 150),
            (278, 182),
            (272, 214),
            (250, 234),
        )
        lines = "".join(dot(x, y, 26, tones.line) for x, y in spots)
        return lines + "".join(dot(x, y, 22, tones.main) for x, y in spots)
    if style == "pigtails":
        out = ""
        for side in (-1, 1):
            x = 192 + side * 92
            d = f"M{x - side * 20} 176Q{x + side * 34} 150 {x + side * 30} 214Q{x + side * 24} 262 {x - side * 8} 270Q{x - side * 4} 226 {x - side * 20} 176Z"
            out += solid(d, tones, f"M{x - side * 14} 190Q{x + side * 14} 230 {x - side * 8} 280Z")
            out += dot(x - side * 14, 178, 12, "rgb(226,72,96)", "rgb(112,24,44)")
        return out
    if style == "bun":
        return "".join(
            solid(oval(192 + s * 82, 128, 30, 30), tones, oval(198 + s * 82, 144, 30, 18)) for s in (-1, 1)
        )
    return ""


def draw_head(figure: Figure) -> str:
    """The bare head with its face."""
    if figure.role == "robot":
        return _robot_head(figure)
    skin = skin_paint(figure)
    ears = ""
    for side in (-1, 1):
        x = 192 + side * 71
        if figure.role == "elf":
            d = f"M{x - side * 8} 164Q{x + side * 26} 146 {x + side * 46} 128Q{x + side * 44} 182 {x - side * 8} 200Z"
            inner = path(
                f"M{x + side * 2} 174Q{x + side * 20} 160 {x + side * 32} 148Q{x + side * 26} 178 {x + side * 2} 188Z",
                skin.shade,
            )
            ears += path(d, skin.main, skin.line) + inner
        else:
            ears += path(oval(x + side * 2, 178, 13, 16), skin.main, skin.line)
    face = "M120 164C118 118 150 96 192 96C234 96 266 118 264 164C266 212 234 232 192 232C150 232 118 212 120 164Z"
    shade = "M110 196Q150 226 192 226Q234 226 274 196V240H110Z"
    return ears + solid(face, skin, shade) + _face(figure)


def _face(figure: Figure) -> str:
    cheek = "rgb(238,112,106)"
    out = "".join(
        f'<ellipse cx="{192 + s * 49}" cy="203" rx="14" ry="9.5" fill="{cheek}" fill-opacity="0.55"/>'
        for s in (-1, 1)
    )
    skin = skin_paint(figure)
    for side in (-1, 1):
        x = 192 + side * 30
        if figure.expression == "joy":
            out += stroke(f"M{x - 12} 184Q{x} 168 {x + 12} 184", DARK, 6)
        else:
            out += path(oval(x, 180, 12, 16), DARK) + dot(x - 3.5, 173.5, 5.2, "white")
            out += dot(x + 4, 187, 3, "rgb(150,120,120)")
    brow = 156 if figure.expression == "calm" else 152
    brow_paint = hair_paint(figure)
    tone = brow_paint.shade if figure.hair_color not in ("white", "blond") else brow_paint.line
    out += stroke(
        f"M150 {brow + 3}Q160 {brow - 4} 172 {brow}M234 {brow + 3}Q224 {brow - 4} 212 {brow}", tone, 5
    )
    out += stroke("M189 195Q192 199 196 195", skin.line, 4)
    if figure.expression in ("grin", "joy"):
        out += path("M174 205Q192 209 210 205Q208 224 192 224Q176 224 174 205Z", "rgb(150,48,52)", DARK, 4)
        out += path("M184 220Q192 213 200 220Q192 224 184 220Z", "rgb(240,130,130)")
    elif figure.expression == "calm":
        out += stroke("M182 210Q192 215 202 210", DARK, 4.5)
    else:
        out += stroke("M177 207Q192 221 207 207", DARK, 4.5)
    return out


def _robot_head(figure: Figure) -> str:
    metal = skin_paint(figure)
    glow = ("rgb(90,235,240)", "rgb(255,214,80)", "rgb(140,245,120)")[figure.fringe]
    bulb = ("rgb(240,76,70)", "rgb(255,170,50)")[figure.hat_look]
    out = (
        stroke("M192 104V70", metal.line, 10) + dot(192, 62, 15, bulb, metal.line) + dot(187, 57, 5, "white")
    )
    for side in (-1, 1):
        out += path(box(192 + side * 78 - 12, 148, 24, 44, 8), metal.shade, metal.line)
    out += solid(
        box(118, 98, 148, 134, 26),
        metal,
        "M110 212H280V240H110ZM250 90H280V240H250Z",
        box(132, 106, 66, 11, 5),
    )
    out += path(box(132, 130, 120, 84, 20), "rgb(52,58,72)", metal.line)
    for side in (-1, 1):
        x = 192 + side * 28
        if figure.expression == "joy":
            out += stroke(f"M{x - 14} 172Q{x} 150 {x + 14} 172", glow, 8)
        else:
            out += path(oval(x, 164, 15, 18), glow) + dot(x - 4, 157, 5.5, "white")
    bend = {"calm": 196, "smile": 206}.get(figure.expression, 212)
    return out + stroke(f"M174 194Q192 {bend} 210 194", glow, 6)


def draw_front_hair(figure: Figure) -> str:
    """The hair over the brow and beside the face."""
    if not figure.has_hair:
        return ""
    tones, style = hair_paint(figure), figure.hair_style
    cap = "M114 172Q106 88 192 86Q278 88 270 172"
    if style == "tousled":
        d = (
            "M114 172Q100 120 128 106Q126 84 150 88Q162 66 188 80Q214 62 228 86Q254 82 256 106"
            "Q284 120 270 172Q258 164 256 144Q244 152 234 138Q222 152 206 138Q194 154 178 138"
            "Q162 152 150 140Q138 152 128 146Q126 164 114 172Z"
        )
    elif figure.fringe == 0:
        d = cap + "Q256 164 252 138Q206 144 176 122Q164 142 132 146Q128 164 114 172Z"
    elif figure.fringe == 1:
        d = (
            cap
            + "Q258 164 256 146Q240 152 226 142Q210 152 192 142Q174 152 158 142Q144 152 128 146Q126 164 114 172Z"
        )
    else:
        d = cap + "Q258 160 250 142Q212 140 192 116Q172 140 134 142Q126 160 114 172Z"
    out = solid(
        d,
        tones,
        "M240 84H290V180H250Q256 120 240 84Z",
        "M140 112Q158 98 182 98Q180 108 164 112Q148 116 140 124Z",
    )
    if style in ("long", "wavy"):
        for s in (-1, 1):
            x = 192 + s * 76
            lock = f"M{x - s * 4} 150Q{x + s * 10} 200 {x + s * 4} 262Q{x - s * 18} 246 {x - s * 13} 196Q{x - s * 14} 176 {x - s * 10} 156Z"
            out += path(lock, tones.main, tones.line)
    return out


def draw_beard(figure: Figure) -> str:
    """A king's or a wizard's beard."""
    if figure.role not in ("king", "wizard"):
        return ""
    tones = hair_paint(figure)
    low = 292 if figure.role == "wizard" else 268
    d = (
        f"M118 176Q126 208 152 202Q172 194 192 204Q212 194 232 202Q258 208 266 176Q272 236 238 {low - 26}"
        f"Q216 {low - 8} 192 {low}Q168 {low - 8} 146 {low - 26}Q112 236 118 176Z"
    )
    mouth = path("M180 211Q192 222 204 211Q198 226 192 226Q186 226 180 211Z", "rgb(150,48,52)", DARK, 3.5)
    tash = "M192 202Q170 192 150 208Q166 222 192 210Q218 222 234 208Q214 192 192 202Z"
    return (
        solid(d, tones, f"M228 190H290V{low + 10}H196Q236 260 228 190Z")
        + mouth
        + path(tash, tones.light, tones.line, 4)
    )
