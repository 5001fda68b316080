"""The heads of animals, and what is behind their bodies: tails and a dragon's wings."""

from collections.abc import Callable

from models.training.figures.figure_spec import RGB, Figure
from models.training.figures.heads import DARK, draw_mouth
from models.training.figures.outfits import skin_paint
from models.training.figures.svg import Paint, dot, limb, oval, paint, path, solid, stroke

BLACK: RGB = (52, 44, 50)
PINK: RGB = (240, 140, 156)
CREAM: RGB = (250, 238, 212)
SNOW: RGB = (250, 248, 244)
TONGUE = "rgb(236,104,120)"


def draw_animal_back(figure: Figure) -> str:
    """Draw the tail, and a dragon's wings, behind the body."""
    fur = skin_paint(figure)
    drawers: dict[str, Callable[[Paint], str]] = {
        "dog": _dog_tail,
        "cat": _cat_tail,
        "bear": lambda fur: "",
        "rabbit": lambda fur: dot(112, 408, 28, paint(SNOW).main, paint(SNOW).line),
        "fox": _fox_tail,
        "dragon": _dragon_back,
    }
    return drawers[figure.role](fur)


def draw_animal_head(figure: Figure) -> str:
    """Draw the head with its ears and its face."""
    drawers = {
        "dog": _dog,
        "cat": _cat,
        "bear": _bear,
        "rabbit": _rabbit,
        "fox": _fox,
        "dragon": _dragon,
    }
    return drawers[figure.role](figure, skin_paint(figure))


def _skull(fur: Paint) -> str:
    d = "M110 172C106 116 146 88 192 88C238 88 278 116 274 172C276 218 240 238 192 238C144 238 108 218 110 172Z"
    return solid(d, fur, "M100 204Q150 232 192 232Q234 232 284 204V250H100Z")


def _eyes(x: float = 40, y: float = 164, iris: str = DARK) -> str:
    """Draw dark eyes on white, which show up on any fur."""
    out = ""
    for side in (-1, 1):
        middle = 192 + side * x
        out += path(oval(middle, y, 20, 23), "rgb(255,255,252)", DARK, 5)
        out += path(oval(middle - side * 2, y + 1, 13, 17), iris)
        if iris != DARK:
            out += path(oval(middle - side * 2, y + 1, 7, 13), DARK)
        out += dot(middle - side * 2 - 4, y - 6, 6, "white")
    return out


def _muzzle(tones: Paint, rx: float = 50, ry: float = 33, y: float = 208) -> str:
    return path(oval(192, y, rx, ry), tones.main, tones.line, 5)


def _nose(fill: RGB, y: float = 190, rx: float = 19, ry: float = 14) -> str:
    tones = paint(fill)
    return path(oval(192, y, rx, ry), tones.main, tones.line, 5) + path(oval(186, y - 5, 6, 3.5), tones.light)


def _pale(figure: Figure) -> Paint:
    """Return the tones of a muzzle: cream, or a grey if the fur is white, black or grey."""
    return paint(
        {"white": (232, 228, 232), "black": (196, 190, 200), "grey": (226, 230, 240)}.get(
            figure.fur or "", CREAM
        )
    )


def _dog(figure: Figure, fur: Paint) -> str:
    ears = ""
    dark = paint((150, 98, 60)) if figure.fur == "white" else Paint(fur.shade, fur.shade, fur.main, fur.line)
    for s in (-1, 1):
        d = (
            f"M{192 + s * 56} 102Q{192 + s * 112} 84 {192 + s * 122} 150Q{192 + s * 128} 222 {192 + s * 100} 228"
            f"Q{192 + s * 76} 224 {192 + s * 76} 158Q{192 + s * 74} 124 {192 + s * 56} 102Z"
        )
        ears += path(d, dark.main, dark.line)
    tongue = (
        path("M176 224Q178 252 192 252Q206 252 208 224Z", TONGUE, DARK, 5)
        if figure.expression == "grin"
        else ""
    )
    smile = stroke("M192 202V214M162 212Q172 228 192 216Q212 228 222 212", DARK, 6)
    return (
        _skull(fur)
        + _eyes(38, 160)
        + _muzzle(_pale(figure))
        + tongue
        + smile
        + _nose(BLACK, 190, 23, 16)
        + ears
    )


def _cat(figure: Figure, fur: Paint) -> str:
    ears = ""
    for s in (-1, 1):
        d = f"M{192 + s * 22} 100L{192 + s * 76} 30Q{192 + s * 92} 86 {192 + s * 84} 138Z"
        inner = f"M{192 + s * 44} 100L{192 + s * 71} 62Q{192 + s * 78} 92 {192 + s * 75} 118Z"
        ears += path(d, fur.main, fur.line) + path(inner, paint(PINK).main)
    stripes = stroke("M192 92V122M168 96V114M216 96V114", fur.line if figure.fur != "white" else fur.shade, 8)
    whiskers = stroke("M132 202L84 192M132 216L86 222M252 202L300 192M252 216L298 222", fur.line, 5)
    mouth = stroke("M192 204V210M164 208Q174 226 192 212Q210 226 220 208", DARK, 6)
    if figure.expression == "grin":
        mouth += path("M180 216Q192 240 204 216Q198 212 192 214Q186 212 180 216Z", "rgb(176,48,56)", DARK, 4)
    nose = path("M177 190Q192 184 207 190Q202 205 192 205Q182 205 177 190Z", paint(PINK).main, DARK, 5)
    return (
        ears
        + _skull(fur)
        + stripes
        + _eyes(42, 162, "rgb(120,196,76)")
        + _muzzle(_pale(figure), 44, 28, 210)
        + whiskers
        + mouth
        + nose
    )


def _bear(figure: Figure, fur: Paint) -> str:
    ears = "".join(
        dot(192 + s * 66, 98, 34, fur.main, fur.line) + dot(192 + s * 66, 100, 18, _pale(figure).main)
        for s in (-1, 1)
    )
    muzzle = _muzzle(_pale(figure), 54, 38, 206)
    return (
        ears
        + _skull(fur)
        + _eyes(42, 156)
        + muzzle
        + stroke("M192 196V208", DARK, 6)
        + draw_mouth(figure, 217)
        + _nose(BLACK, 186, 24, 16)
    )


def _rabbit(figure: Figure, fur: Paint) -> str:
    ears = ""
    for s in (-1, 1):
        d = f"M{192 + s * 14} 108Q{192 + s * 8} 22 {192 + s * 40} 16Q{192 + s * 74} 18 {192 + s * 64} 112Z"
        inner = (
            f"M{192 + s * 27} 104Q{192 + s * 24} 38 {192 + s * 40} 36Q{192 + s * 57} 38 {192 + s * 51} 106Z"
        )
        ears += path(d, fur.main, fur.line) + path(inner, paint(PINK).main)
    cheeks = "".join(path(oval(192 + s * 27, 212, 29, 23), _pale(figure).main) for s in (-1, 1))
    teeth = path(
        "M180 220H204V238Q204 242 198 242H186Q180 242 180 238Z", "rgb(255,255,255)", DARK, 5
    ) + stroke("M192 222V240", DARK, 4)
    mouth = stroke("M192 202V212M164 212Q176 226 192 214Q208 226 220 212", DARK, 6)
    nose = path("M177 190Q192 184 207 190Q202 205 192 205Q182 205 177 190Z", paint(PINK).main, DARK, 5)
    return ears + _skull(fur) + _eyes(42, 160) + cheeks + teeth + mouth + nose


def _fox(figure: Figure, fur: Paint) -> str:
    white = paint(SNOW if figure.fur != "white" else (226, 230, 240))
    dark = paint(BLACK)
    ears = ""
    for s in (-1, 1):
        d = f"M{192 + s * 24} 104L{192 + s * 88} 22Q{192 + s * 104} 88 {192 + s * 90} 150Z"
        tip = f"M{192 + s * 61} 57L{192 + s * 88} 22Q{192 + s * 95} 48 {192 + s * 97} 76Z"
        inner = f"M{192 + s * 48} 106L{192 + s * 72} 78Q{192 + s * 82} 96 {192 + s * 80} 124Z"
        ears += path(d, fur.main, fur.line) + path(tip, dark.main, dark.line) + path(inner, white.main)
    head = "M192 92C246 92 268 118 276 152Q284 180 302 196Q270 206 252 220Q226 242 192 244Q158 242 132 220Q114 206 82 196Q100 180 108 152C116 118 138 92 192 92Z"
    cheeks = "M60 190Q130 166 158 184Q180 200 192 164Q204 200 226 184Q254 166 324 190V260H60Z"
    mouth = stroke("M192 212V218M164 216Q176 232 192 220Q208 232 220 216", DARK, 6)
    if figure.expression == "grin":
        mouth += path("M180 224Q192 246 204 224Q198 220 192 222Q186 220 180 224Z", TONGUE, DARK, 4)
    return (
        ears
        + solid(head, fur, cheeks and "", "", path(cheeks, white.main))
        + _eyes(42, 160)
        + mouth
        + _nose(BLACK, 202, 20, 14)
    )


def _dragon(figure: Figure, fur: Paint) -> str:
    horn, belly = paint(CREAM), paint((250, 220, 130))
    back = ""
    for s in (-1, 1):
        d = f"M{192 + s * 34} 104Q{192 + s * 38} 60 {192 + s * 84} 22Q{192 + s * 88} 76 {192 + s * 72} 120Z"
        fin = (
            f"M{192 + s * 74} 140L{192 + s * 130} 124L{192 + s * 114} 158L{192 + s * 132} 178L{192 + s * 104} 190"
            f"L{192 + s * 112} 216L{192 + s * 76} 206Z"
        )
        back += path(fin, fur.shade, fur.line) + path(d, horn.main, horn.line)
    crest = path("M166 104L172 66L192 84L212 66L218 104Z", belly.main, fur.line)
    snout = "M120 206Q124 176 192 176Q260 176 264 206Q264 246 192 246Q120 246 120 206Z"
    nostrils = "".join(path(oval(192 + s * 24, 194, 8, 6), fur.line) for s in (-1, 1))
    fangs = "".join(
        path(f"M{192 + s * 34 - 9} 216L{192 + s * 34} 234L{192 + s * 34 + 9} 216Z", "white", DARK, 4)
        for s in (-1, 1)
    )
    mouth = stroke("M142 212Q192 232 242 212", DARK, 6)
    return (
        back
        + crest
        + _skull(fur)
        + _eyes(42, 150, "rgb(250,196,50)")
        + solid(snout, Paint(fur.light, fur.main, fur.light, fur.line), "M110 226Q192 250 274 226V260H110Z")
        + nostrils
        + mouth
        + fangs
    )


def _dog_tail(fur: Paint) -> str:
    return limb("M150 420Q70 420 70 356", fur, 30)


def _cat_tail(fur: Paint) -> str:
    return limb("M150 430Q52 452 52 392Q52 356 76 350", fur, 22)


def _fox_tail(fur: Paint) -> str:
    tail = "M150 440Q60 470 36 408Q24 366 56 328Q72 372 104 384Q132 392 150 410Z"
    tip = "M20 388Q52 386 70 350L56 320L20 350Z"
    return solid(tail, fur, "M60 440Q110 440 150 420V460H60Z", "", path(tip, paint(SNOW).main))


def _dragon_back(fur: Paint) -> str:
    belly = paint((250, 220, 130))
    out = ""
    for s in (-1, 1):
        wing = (
            f"M{192 + s * 40} 290Q{192 + s * 90} 220 {192 + s * 158} 232Q{192 + s * 146} 258 {192 + s * 162} 290"
            f"Q{192 + s * 132} 286 {192 + s * 128} 318Q{192 + s * 100} 300 {192 + s * 84} 330Z"
        )
        out += path(wing, belly.main, fur.line)
    spade = path("M62 384L44 342L24 372L30 404Z", belly.main, fur.line)
    return out + spade + limb("M150 430Q62 456 46 392", fur, 24)
