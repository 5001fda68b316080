"""Legs, capes, arms and the five garments."""

from models.training.figures.figure_spec import FURS, RGB, Figure, garment_rgb
from models.training.figures.svg import (
    GOLD,
    Paint,
    box,
    dot,
    limb,
    oval,
    paint,
    path,
    solid,
    stroke,
    trim_paint,
)

HAND_X, HAND_Y = 302.0, 334.0
HAND_R = 20.0
METAL: RGB = (104, 136, 172)
BOOTS: RGB = (112, 70, 44)
LEGGINGS: RGB = (98, 92, 104)

# The free arm (viewer's left): its curve and its hand, one for each pose. Both stay clear of the body.
FREE_ARMS = {
    "hanging": ("M144 266Q104 288 86 330", 82.0, 338.0),
    "waving": ("M144 266Q92 276 68 222", 65.0, 210.0),
}
HOLDING_ARM = "M240 266Q278 286 295 324"


def skin_paint(figure: Figure) -> Paint:
    """Return the tones of the figure's hands and face."""
    if figure.fur is not None:
        return paint(FURS[figure.fur])
    return paint(figure.skin or METAL)


def draw_legs(figure: Figure) -> str:
    """Draw both legs with their boots, or an animal's paws."""
    own = skin_paint(figure)
    bare = figure.is_animal or figure.role == "robot"
    cloth = own if bare else paint(LEGGINGS)
    if figure.garment == "armor":
        cloth = paint(garment_rgb(figure.garment_color))
    boot = own if bare else paint(BOOTS)
    out = []
    for side in (-1, 1):
        x = 192 + side * 32
        out.append(solid(box(x - 22, 346, 44, 116, 10), cloth, f"M{x + 8} 340h30v130h-30Z"))
        if figure.garment == "armor":
            out.append(solid(oval(x, 404, 25, 19), cloth, "", oval(x - 8, 398, 9, 7)))
        toe = x + side * 8
        foot = (
            f"M{x - 22} 432H{x + 22}L{max(x + 22, toe + 26)} 458Q{toe + 32} 478 {toe + 16} 478"
            f"H{toe - 16}Q{toe - 32} 478 {min(x - 22, toe - 26)} 458Z"
        )
        out.append(solid(foot, boot, f"M{x - 50} 468h100v20h-100Z"))
        if figure.is_animal:
            claws = paint((250, 240, 214)) if figure.role == "dragon" else own
            for k in (-1, 0, 1):
                if figure.role == "dragon":
                    out.append(
                        path(
                            f"M{toe + 15 * k - 7} 480L{toe + 15 * k} 460L{toe + 15 * k + 7} 480Z",
                            claws.main,
                            claws.line,
                            4,
                        )
                    )
                elif k:
                    out.append(stroke(f"M{toe + 9 * k} 461V475", own.line, 5))
        else:
            out.append(path(box(x - 26, 424, 52, 18, 8), boot.light, boot.line))
    return "".join(out)


def draw_cape(figure: Figure) -> str:
    """Draw the cape behind the body."""
    if figure.cape_color is None:
        return ""
    tones = paint(garment_rgb(figure.cape_color))
    d = "M150 240Q100 300 74 436Q104 456 134 442Q164 460 192 446Q220 460 250 442Q280 456 310 436Q284 300 234 240Z"
    folds = "M120 300Q104 380 106 470H124Q120 380 134 300ZM264 300Q280 380 278 470H260Q264 380 250 300Z"
    return solid(d, tones, folds)


def draw_cape_collar(figure: Figure) -> str:
    """Draw the part of the cape that lies over the shoulders."""
    if figure.cape_color is None:
        return ""
    tones = paint(garment_rgb(figure.cape_color))
    gold = paint(GOLD)
    d = "M132 256Q136 232 192 230Q248 232 252 256Q226 280 192 272Q158 280 132 256Z"
    return solid(d, tones, "M132 262Q192 292 252 262V284H132Z") + dot(192, 268, 12, gold.main, gold.line)


def draw_arm(figure: Figure, free: bool) -> str:
    """Draw one sleeve and its hand."""
    tones, hand = paint(garment_rgb(figure.garment_color)), skin_paint(figure)
    curve, hx, hy = FREE_ARMS[figure.pose] if free else (HOLDING_ARM, HAND_X, HAND_Y)
    palm = dot(hx, hy, HAND_R, hand.main, hand.line)
    sx = 144 if free else 240
    if figure.garment == "dress":
        puff = solid(oval(sx, 270, 31, 29), tones, oval(sx + 4, 298, 32, 17), oval(sx - 9, 259, 10, 7))
        return limb(curve, hand, 28) + palm + puff
    sleeve = limb(curve, tones, 40)
    sleeve += f'<g transform="translate(7 5)">{stroke(curve, tones.shade, 14)}</g>'
    end_x, end_y = (float(number) for number in curve.rsplit("Q", 1)[1].split(" ")[2:])
    rim = tones if figure.garment == "armor" else trim_paint(figure.garment_color)
    cuff = dot(end_x, end_y, 24, rim.main, rim.line)
    if figure.garment == "armor":
        sleeve += solid(oval(sx, 264, 35, 30), tones, oval(sx + 4, 294, 36, 18), oval(sx - 10, 252, 12, 8))
    return sleeve + cuff + palm


def draw_garment(figure: Figure) -> str:
    """Draw the garment over the torso."""
    tones = paint(garment_rgb(figure.garment_color))
    trim = trim_paint(figure.garment_color)
    metal = figure.garment_color in ("silver", "golden")
    return {"armor": _armor, "robe": _robe, "dress": _dress, "tunic": _tunic, "coat": _coat}[figure.garment](
        tones, trim, metal
    )


def _bands(metal: bool) -> str:
    """Draw slanting bands of shine for cloth of silver or gold."""
    return "M156 236H178L150 480H120ZM222 330H236L262 480H240Z" if metal else ""


def _armor(tones: Paint, trim: Paint, metal: bool) -> str:
    chest = "M140 250Q192 228 244 250Q256 300 240 344H144Q128 300 140 250Z"
    skirt = "M144 340H240L256 382Q224 396 192 388Q160 396 128 382Z"
    shine = "M152 258Q166 250 180 250L168 318Q150 312 150 290Z"
    return (
        solid(skirt, tones, "M206 330H270V400H216Z", "M150 340h14l-8 60h-16Z")
        + stroke("M192 352V384", tones.line)
        + solid(chest, tones, "M214 230H270V350H200Q232 310 214 230Z", shine)
        + stroke("M192 282V330", tones.line)
        + path(box(136, 330, 112, 24, 9), trim.main, trim.line)
        + path(box(174, 326, 36, 32, 8), tones.light, tones.line)
    )


def _robe(tones: Paint, trim: Paint, metal: bool) -> str:
    d = "M146 246Q192 230 238 246Q248 300 256 340Q276 410 282 454Q240 468 192 466Q144 468 102 454Q108 410 128 340Q136 300 146 246Z"
    shade = "M226 240H300V480H236Q252 400 226 240ZM150 372Q136 420 136 480H154Q150 420 162 372Z"
    hem = stroke("M98 444Q144 458 192 456Q240 458 286 444", trim.line, 32) + stroke(
        "M98 446Q144 460 192 458Q240 460 286 446", trim.main, 22
    )
    light = _bands(metal) or "M150 262Q158 254 168 252L152 318H138Z"
    panel = path(box(178, 236, 28, 212, 4), trim.main, trim.line)
    return solid(d, tones, shade, light, hem + panel) + path(
        "M132 328Q192 344 252 328V346Q192 362 132 346Z", trim.shade, trim.line
    )


def _dress(tones: Paint, trim: Paint, metal: bool) -> str:
    skirt = "M148 322H236Q272 372 284 436Q260 452 238 442Q216 458 192 446Q168 458 146 442Q124 452 100 436Q112 372 148 322Z"
    bodice = "M146 250Q192 236 238 250Q240 300 234 328H150Q144 300 146 250Z"
    shade = "M222 320H300V470H246Q246 390 222 320ZM168 360Q152 410 152 470H170Q166 410 178 360Z"
    hem = stroke("M98 428Q124 440 146 432Q168 446 192 434Q216 446 238 432Q260 442 286 430", trim.main, 15)
    collar = "M152 244Q192 232 232 244Q222 272 192 266Q162 272 152 244Z"
    bow = "M192 326L158 306V346ZM192 326L226 306V346Z"
    return (
        solid(
            skirt,
            tones,
            shade,
            _bands(metal) or "M142 344Q124 376 118 412Q132 414 140 410Q144 370 154 344Z",
            hem,
        )
        + solid(bodice, tones, "M218 240H250V340H214Q226 300 218 240Z", "M156 276h12v34h-12Z")
        + path(collar, trim.main, trim.line)
        + path(box(146, 318, 92, 17, 7), trim.main, trim.line)
        + path(bow, trim.main, trim.line)
        + dot(192, 326, 11, trim.light, trim.line)
    )


def _tunic(tones: Paint, trim: Paint, metal: bool) -> str:
    d = "M144 248Q192 232 240 248Q244 310 250 340L262 384Q226 398 192 394Q158 398 122 384L134 340Q140 310 144 248Z"
    shade = "M220 236H290V410H226Q240 330 220 236Z"
    hem = stroke("M118 377Q158 390 192 386Q226 390 266 377", trim.main, 17)
    neck = "M168 240Q192 232 216 240L192 290Z"
    return (
        solid(d, tones, shade, _bands(metal) or "M154 264h14v50h-14Z", hem)
        + path(neck, trim.main, trim.line)
        + path(box(132, 328, 120, 24, 9), "rgb(104,66,44)", "rgb(52,30,22)")
        + path(box(174, 323, 36, 34, 8), "rgb(236,188,72)", "rgb(92,62,24)")
    )


def _coat(tones: Paint, trim: Paint, metal: bool) -> str:
    d = "M142 248Q192 232 242 248Q246 310 250 336Q266 380 272 420Q232 434 192 430Q152 434 112 420Q118 380 134 336Q138 310 142 248Z"
    shade = "M226 236H300V440H236Q246 340 226 236ZM192 300H204V440H192Z"
    shirt = "M166 240H218L192 322Z"
    lapels = (
        "M164 238L146 262L166 278L160 290L192 326L184 290ZM220 238L238 262L218 278L224 290L192 326L200 290Z"
    )
    buttons = "".join(dot(168, y, 10, trim.main, trim.line, 4) for y in (348, 388))
    return (
        solid(d, tones, shade, _bands(metal) or "M140 346Q128 380 124 408H136Q140 376 150 346Z")
        + stroke("M192 320V430", tones.line)
        + path(shirt, "rgb(250,244,230)", tones.line)
        + path(lapels, trim.main, trim.line)
        + buttons
    )
