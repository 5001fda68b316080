"""Legs, capes, arms and the five garments."""

from models.training.figure_spec import Figure, garment_rgb
from models.training.figure_svg import (
    LINE,
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

HAND_X, HAND_Y = 296.0, 338.0
METAL = paint((168, 178, 190))

# The free arm (viewer's left): its curve and its hand, one for each pose.
FREE_ARMS = (
    ("M144 264Q108 292 94 336", 93.0, 344.0),
    ("M144 264Q96 284 78 226", 77.0, 214.0),
    ("M144 264Q86 296 116 334", 126.0, 340.0),
)
HOLDING_ARM = "M240 264Q274 284 289 328"


def skin_paint(figure: Figure) -> Paint:
    """The tones of the figure's hands and face."""
    return METAL if figure.role == "robot" else paint(figure.skin)


def draw_legs(figure: Figure) -> str:
    """Both legs with their boots."""
    armored = figure.garment == "armor"
    cloth = paint(garment_rgb(figure.garment_color) if armored else figure.leggings)
    boot = METAL if figure.role == "robot" else paint(figure.boots)
    out = []
    for side in (-1, 1):
        x = 192 + side * 27
        leg = box(x - 20, 350, 40, 112, 10)
        out.append(solid(leg, cloth, f"M{x + 6} 340h30v130h-30Z"))
        if armored:
            out.append(solid(oval(x, 410, 22, 17), cloth, "", oval(x - 7, 405, 7, 6)))
        toe = x + side * 10
        foot = (
            f"M{x - 21} 434H{x + 21}L{max(x + 21, toe + 24)} 460Q{toe + 28} 477 {toe + 14} 477"
            f"H{toe - 14}Q{toe - 28} 477 {min(x - 21, toe - 24)} 460Z"
        )
        out.append(solid(foot, boot, f"M{x - 50} 468h100v20h-100Z", oval(toe - 9, 456, 9, 5)))
        out.append(path(box(x - 24, 428, 48, 15, 7), boot.light, boot.line))
    return "".join(out)


def draw_cape(figure: Figure) -> str:
    """The cape behind the body."""
    if figure.cape_color is None:
        return ""
    tones = paint(garment_rgb(figure.cape_color))
    d = "M150 240Q100 300 74 436Q104 456 134 442Q164 460 192 446Q220 460 250 442Q280 456 310 436Q284 300 234 240Z"
    folds = "M120 300Q104 380 106 470H124Q120 380 134 300ZM264 300Q280 380 278 470H260Q264 380 250 300Z"
    return solid(d, tones, folds)


def draw_cape_collar(figure: Figure) -> str:
    """The part of the cape that lies over the shoulders."""
    if figure.cape_color is None:
        return ""
    tones = paint(garment_rgb(figure.cape_color))
    gold = paint((236, 188, 72))
    d = "M132 256Q136 232 192 230Q248 232 252 256Q226 280 192 272Q158 280 132 256Z"
    return solid(d, tones, "M132 262Q192 292 252 262V284H132Z") + dot(192, 270, 11, gold.main, gold.line)


def draw_arm(figure: Figure, free: bool) -> str:
    """One sleeve and, on the free arm, the hand."""
    tones, hand = paint(garment_rgb(figure.garment_color)), skin_paint(figure)
    trim = trim_paint(figure.garment_color, figure.trim)
    raised = 0 if figure.garment == "robe" and figure.pose == 2 else figure.pose
    curve, hx, hy = FREE_ARMS[raised] if free else (HOLDING_ARM, HAND_X, HAND_Y)
    palm = dot(hx, hy, 17, hand.main, hand.line)
    sx = 144 if free else 240
    if figure.garment == "dress":
        puff = solid(oval(sx, 268, 29, 27), tones, oval(sx + 4, 294, 30, 16), oval(sx - 8, 257, 9, 6))
        return limb(curve, hand, 23) + palm + puff
    width = {"robe": 42, "armor": 36, "coat": 38}.get(figure.garment, 33)
    sleeve = limb(curve, tones, width)
    sleeve += f'<g transform="translate(7 4)">{stroke(curve, tones.shade, width * 0.34)}</g>'
    ex, ey = curve.rsplit(" ", 2)[-2:]
    end_x = float(ex.split("Q")[-1])
    end_y = float(ey)
    cuff = dot(
        end_x,
        end_y,
        width / 2 + 3,
        (tones if figure.garment == "armor" else trim).main,
        (tones if figure.garment == "armor" else trim).line,
    )
    if figure.garment == "armor":
        sleeve += solid(oval(sx, 262, 33, 28), tones, oval(sx + 4, 290, 34, 17), oval(sx - 9, 251, 11, 7))
    return sleeve + cuff + palm


def draw_garment(figure: Figure) -> str:
    """The garment over the torso."""
    tones = paint(garment_rgb(figure.garment_color))
    trim = trim_paint(figure.garment_color, figure.trim)
    metal = figure.garment_color in ("silver", "golden")
    return {"armor": _armor, "robe": _robe, "dress": _dress, "tunic": _tunic, "coat": _coat}[figure.garment](
        tones, trim, metal
    )


def _bands(metal: bool) -> str:
    """Slanting bands of shine for cloth of silver or gold."""
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
        + path(box(138, 333, 108, 19, 8), trim.main, trim.line)
        + path(box(177, 330, 30, 25, 7), tones.light, tones.line)
    )


def _robe(tones: Paint, trim: Paint, metal: bool) -> str:
    d = "M146 246Q192 230 238 246Q248 300 256 340Q276 410 282 454Q240 468 192 466Q144 468 102 454Q108 410 128 340Q136 300 146 246Z"
    shade = "M226 240H300V480H236Q252 400 226 240ZM150 372Q136 420 136 480H154Q150 420 162 372Z"
    hem = stroke("M98 446Q144 460 192 458Q240 460 286 446", trim.line, 24) + stroke(
        "M98 447Q144 461 192 459Q240 461 286 447", trim.main, 16
    )
    light = _bands(metal) or "M150 262Q158 254 168 252L152 318H138Z"
    panel = path(box(181, 236, 22, 212, 4), trim.main, trim.line, 4)
    return solid(d, tones, shade, light, hem + panel) + path(
        "M132 328Q192 344 252 328V346Q192 362 132 346Z", trim.shade, trim.line
    )


def _dress(tones: Paint, trim: Paint, metal: bool) -> str:
    skirt = "M148 322H236Q272 372 284 436Q260 452 238 442Q216 458 192 446Q168 458 146 442Q124 452 100 436Q112 372 148 322Z"
    bodice = "M146 250Q192 236 238 250Q240 300 234 328H150Q144 300 146 250Z"
    shade = "M222 320H300V470H246Q246 390 222 320ZM168 360Q152 410 152 470H170Q166 410 178 360Z"
    hem = stroke("M98 430Q124 442 146 432Q168 446 192 434Q216 446 238 432Q260 442 286 430", trim.main, 10)
    collar = "M152 244Q192 232 232 244Q222 272 192 266Q162 272 152 244Z"
    bow = "M192 326L164 312V342ZM192 326L220 312V342Z"
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
        + dot(192, 327, 9, trim.light, trim.line)
    )


def _tunic(tones: Paint, trim: Paint, metal: bool) -> str:
    d = "M144 248Q192 232 240 248Q244 310 250 340L262 384Q226 398 192 394Q158 398 122 384L134 340Q140 310 144 248Z"
    shade = "M220 236H290V410H226Q240 330 220 236Z"
    hem = stroke("M118 380Q158 393 192 389Q226 393 266 380", trim.main, 11)
    neck = "M168 240Q192 232 216 240L192 290Z"
    return (
        solid(d, tones, shade, _bands(metal) or "M154 264h14v50h-14Z", hem)
        + path(neck, trim.main, trim.line)
        + path(box(134, 330, 116, 20, 8), "rgb(104,66,44)", "rgb(52,30,22)")
        + path(box(177, 326, 30, 28, 7), "rgb(236,188,72)", "rgb(92,62,24)")
    )


def _coat(tones: Paint, trim: Paint, metal: bool) -> str:
    d = "M142 248Q192 232 242 248Q246 310 250 336Q266 380 272 420Q232 434 192 430Q152 434 112 420Q118 380 134 336Q138 310 142 248Z"
    shade = "M226 236H300V440H236Q246 340 226 236ZM192 300H204V440H192Z"
    shirt = "M166 240H218L192 322Z"
    lapels = (
        "M164 238L146 262L166 278L160 290L192 326L184 290ZM220 238L238 262L218 278L224 290L192 326L200 290Z"
    )
    buttons = "".join(dot(174, y, 7.5, trim.main, trim.line, 3.5) for y in (346, 372, 398))
    pocket = "".join(stroke(f"M{x} 376H{x + 26}", tones.line, LINE + 1) for x in (132, 224))
    return (
        solid(d, tones, shade, _bands(metal) or "M140 346Q128 380 124 408H136Q140 376 150 346Z")
        + stroke("M192 320V430", tones.line)
        + path(shirt, "rgb(250,244,230)", tones.line)
        + path(lapels, trim.main, trim.line)
        + buttons
        + pocket
    )
