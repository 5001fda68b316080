"""Write a book as a PDF with fpdf2, which shapes text with HarfBuzz and gives each picture its alt text."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from .book import Book, unhurried
from .book_fonts import Font
from .typeset import FAMILY, FOOT, NUMBER_SIZE, Block, Sheet, new_pdf, shape, sheets_of

PRODUCER = "Scenewright"


def write_pdf(book: Book, fonts: Sequence[Font], file: Path, between: Callable[[], None] = unhurried) -> None:
    """Write a book into a file. The same book gives the same bytes.

    `between` is called before each page. Raises OSError, and what `between` raises.
    """
    sheets = sheets_of(book, fonts, between)
    with new_pdf(fonts) as pdf:
        shape(pdf, book.right_to_left)
        pdf.set_title(book.title)
        pdf.set_lang(book.language)
        pdf.set_creator(PRODUCER)
        pdf.set_creation_date(datetime.fromtimestamp(int(book.created_at), UTC))
        if book.author:
            pdf.set_author(book.author)
        _show_title(pdf)
        for sheet in sheets:
            between()
            _add(pdf, sheet)
        pdf.output(str(file))


def _show_title(pdf: Any) -> None:
    from fpdf.prefs import ViewerPreferences

    pdf.viewer_preferences = ViewerPreferences(display_doc_title=True)


def _add(pdf: Any, sheet: Sheet) -> None:
    pdf.add_page(format=(sheet.width, sheet.height))
    pdf.set_fill_color(*sheet.paper)
    pdf.rect(0, 0, sheet.width, sheet.height, style="F")
    pdf.set_text_color(*sheet.ink)
    if sheet.picture is not None and sheet.picture_box is not None:
        box = sheet.picture_box
        pdf.image(str(sheet.picture), box.x, box.y, box.width, box.height, alt_text=sheet.alt)
    for block in sheet.blocks:
        _set(pdf, block, sheet.right_to_left)
    if sheet.number is not None:
        pdf.set_font(FAMILY, size=NUMBER_SIZE)
        pdf.set_xy(0, sheet.height - FOOT + NUMBER_SIZE / 2)
        pdf.cell(sheet.width, NUMBER_SIZE, str(sheet.number), align="C")


def _set(pdf: Any, block: Block, right_to_left: bool) -> None:
    pdf.set_font(FAMILY, size=block.size)
    align = "C" if block.centred else "R" if right_to_left else "L"
    for number, line in enumerate(block.lines):
        if line:
            pdf.set_xy(block.box.x, block.box.y + number * block.leading)
            pdf.cell(block.box.width, block.leading, line, align=align)
