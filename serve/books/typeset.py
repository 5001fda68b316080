"""Set a book's texts in sheets of lines that fit, the same for every kind of book.

A page is its picture with the text below it, in lines of about equal length. A long text gets smaller. A text
that would get too small goes on separate sheets after the picture. Nothing is cut, and nothing is laid over a
picture. Lengths are in points, from the top left.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from .book import Book, Page, unhurried
from .book_colors import INK, PAPER, Color, cover_color
from .book_fonts import Font, without_hidden
from .lines import UNIT, LineBreaker

WIDTH, TALLEST_PICTURE = 600.0, 740.0
TOP = 30.0
"""The margin around a picture: above it, and beside a wide one."""
MARGIN, GAP, FOOT = 48.0, 14.0, 34.0
BAND = 176.0
"""The height below the pictures: a gap, the text, and the foot with the page's number."""
LEADING = 1.35
SIZES = range(24, 10, -1)
TITLE_SIZES = range(48, 13, -1)
AUTHOR_SIZE, NUMBER_SIZE = 15.0, 11.0
OWN_SIZE, OWN_MARGIN = 15.0, 60.0
"""The font size and the margin, in points, of sheets with text alone."""
FAMILY = "book"


@dataclass(frozen=True)
class Box:
    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True)
class Block:
    """Lines of one size in a box, from its top; `centred`, or aligned to the side where reading begins."""

    lines: tuple[str, ...]
    size: float
    box: Box
    centred: bool = True
    heading: bool = False

    @property
    def leading(self) -> float:
        return self.size * LEADING


@dataclass(frozen=True)
class Sheet:
    """One page of a book. `number` is None on the cover, and so is `source`, the index of the story's page.

    `ink` is the colour of its text, on `paper`.
    """

    width: float
    height: float
    blocks: tuple[Block, ...] = ()
    picture: Path | None = None
    picture_box: Box | None = None
    alt: str = ""
    number: int | None = None
    source: int | None = None
    right_to_left: bool = False
    paper: Color = PAPER
    ink: Color = INK


class Typesetter:
    """Measure and fit text in the fonts of one book, as HarfBuzz shapes it."""

    def __init__(self, pdf: Any, fonts: Sequence[Font], right_to_left: bool) -> None:
        self.fonts = tuple(fonts)
        self.right_to_left = right_to_left
        pdf.set_font(FAMILY, size=UNIT)
        shape(pdf, right_to_left)
        self._breaker = LineBreaker(pdf.get_string_width)

    def lines(self, text: str, width: float, size: float) -> list[str]:
        """Break a text into lines that are not wider than `width`."""
        return self._breaker.lines(without_hidden(text, self.fonts), width, size)

    def fitted(self, text: str, box: Box, sizes: range, heading: bool = False) -> Block | None:
        """Return a text, centred in a box, in the largest size that fits; None if no size does."""
        if len(self.lines(text, box.width, sizes[-1])) * sizes[-1] * LEADING > box.height:
            return None
        for size in sizes:
            lines = self.lines(text, box.width, size)
            height = len(lines) * size * LEADING
            if height <= box.height:
                break
        inside = replace(box, y=box.y + (box.height - height) / 2, height=height)
        return Block(tuple(self._balanced(text, lines, box.width, size)), size, inside, heading=heading)

    def _balanced(self, text: str, lines: list[str], width: float, size: float) -> list[str]:
        """Return as many lines, with the longest as short as possible, so that no word is left alone."""
        narrow, wide = (width / 2, width) if len(lines) > 1 else (width, width)
        while wide - narrow > size / 4:
            middle = (narrow + wide) / 2
            tried = self.lines(text, middle, size)
            if len(tried) == len(lines):
                lines, wide = tried, middle
            else:
                narrow = middle
        return lines


def sheets_of(book: Book, fonts: Sequence[Font], between: Callable[[], None] = unhurried) -> list[Sheet]:
    """Return all sheets of a book: the cover first. `between` is called before each page, and may raise."""
    with new_pdf(fonts) as pdf:
        return _sheets(book, Typesetter(pdf, fonts, book.right_to_left), between)


def _sheets(book: Book, typesetter: Typesetter, between: Callable[[], None]) -> list[Sheet]:
    sizes = [_picture_size(page.picture) for page in book.pages]
    tallest = max(height for _, height in sizes)
    sheets = [*_cover(book, sizes[0], tallest, typesetter)]
    for index, (page, size) in enumerate(zip(book.pages, sizes, strict=True)):
        between()
        sheets += _page(page, index, size, tallest, typesetter)
    numbers = iter(range(1, len(sheets) + 1))
    deep = cover_color(book.pages[0].picture)

    def finished(sheet: Sheet) -> Sheet:
        sheet = replace(sheet, right_to_left=typesetter.right_to_left)
        if sheet.source is None:
            return replace(sheet, paper=deep, ink=PAPER)
        return replace(sheet, number=next(numbers))

    return [finished(sheet) for sheet in sheets]


def _cover(book: Book, size: tuple[float, float], tallest: float, typesetter: Typesetter) -> Iterator[Sheet]:
    band = _band(tallest)
    author: tuple[Block, ...] = ()
    if book.author:
        line = Box(MARGIN, band.y + band.height - AUTHOR_SIZE * LEADING, band.width, AUTHOR_SIZE * LEADING)
        block = typesetter.fitted(book.author, line, range(int(AUTHOR_SIZE), 6, -1))
        if block is not None:
            author = (block,)
            band = replace(band, height=band.height - AUTHOR_SIZE * LEADING - GAP / 2)
    title = typesetter.fitted(book.title, band, TITLE_SIZES, heading=True)
    blocks = (*((title,) if title else ()), *author)
    yield _with_picture(book.pages[0], size, tallest, blocks, None)
    if title is None:
        yield from _own_sheets(book.title, tallest, typesetter, None)
    if book.author and not author:
        yield from _own_sheets(book.author, tallest, typesetter, None)


def _page(
    page: Page, index: int, size: tuple[float, float], tallest: float, typesetter: Typesetter
) -> Iterator[Sheet]:
    block = typesetter.fitted(page.text, _band(tallest), SIZES) if page.text.strip() else None
    yield _with_picture(page, size, tallest, (block,) if block else (), index)
    if block is None and page.text.strip():
        yield from _own_sheets(page.text, tallest, typesetter, index)


def _own_sheets(text: str, tallest: float, typesetter: Typesetter, source: int | None) -> Iterator[Sheet]:
    height = TOP + tallest + BAND
    box = Box(OWN_MARGIN, OWN_MARGIN, WIDTH - 2 * OWN_MARGIN, height - OWN_MARGIN - FOOT - GAP)
    lines = typesetter.lines(text, box.width, OWN_SIZE)
    each = max(1, int(box.height / (OWN_SIZE * LEADING)))
    for start in range(0, len(lines), each):
        block = Block(tuple(lines[start : start + each]), OWN_SIZE, box, centred=False)
        yield Sheet(WIDTH, height, (block,), source=source)


def _with_picture(
    page: Page, size: tuple[float, float], tallest: float, blocks: tuple[Block, ...], source: int | None
) -> Sheet:
    width, height = size
    box = Box((WIDTH - width) / 2, TOP + (tallest - height) / 2, width, height)
    return Sheet(WIDTH, TOP + tallest + BAND, blocks, page.picture, box, page.alt, source=source)


def _band(tallest: float) -> Box:
    return Box(MARGIN, TOP + tallest + GAP, WIDTH - 2 * MARGIN, BAND - GAP - FOOT)


def _picture_size(path: Path) -> tuple[float, float]:
    """Return a picture's size in a book: as wide as the page between its margins, unless it gets too tall."""
    from PIL import Image

    with Image.open(path) as picture:
        width, height = picture.size
    scale = min((WIDTH - 2 * TOP) / width, TALLEST_PICTURE / height)
    return width * scale, height * scale


@contextmanager
def new_pdf(fonts: Sequence[Font]) -> Iterator[Any]:
    """Yield an empty document that can measure and set text in these fonts."""
    from fpdf import FPDF

    pdf = FPDF(unit="pt")
    pdf.set_auto_page_break(False)
    pdf.set_margin(0)
    pdf.c_margin = 0
    names = [FAMILY, *(f"{FAMILY}-{number}" for number in range(1, len(fonts)))]
    try:
        for name, font in zip(names, fonts, strict=True):
            pdf.add_font(name, fname=font.path, collection_font_number=font.number)
        pdf.set_font(FAMILY)
        if names[1:]:
            pdf.set_fallback_fonts(names[1:], exact_match=False)
        yield pdf
    finally:
        for open_font in pdf.fonts.values():
            getattr(open_font, "ttfont").close()  # noqa: B009 (mypy takes it for a font without a file)


def shape(pdf: Any, right_to_left: bool) -> None:
    """Turn on text shaping, in lines of one direction; words of the other direction keep theirs."""
    pdf.set_text_shaping(True, direction="rtl" if right_to_left else "ltr")
