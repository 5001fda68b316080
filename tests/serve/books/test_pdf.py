"""A PDF contains every text in full, beside every picture, and the pictures' descriptions."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pypdfium2
import pytest
from pypdfium2.raw import FPDF_PAGEOBJ_IMAGE

from serve.books.book import Book
from serve.books.book_fonts import Fonts
from serve.books.pdf import write_pdf
from serve.books.typeset import SIZES, sheets_of
from tests.support.drawn_font import draw_font
from tests.support.noise_books import LONG, LONGER, MakeBook

CASES = {
    "short": ["In the rain.", ""],
    "long": [LONG, "short"],
    "far too long": [LONGER, LONG, "x" * 3_000],
    "paragraphs": ["One.\n\nTwo.\n" * 8],
}


def written(book: Book, tmp_path: Path, fonts: Fonts | None = None) -> bytes:
    file = tmp_path / "book.pdf"
    texts = [book.title, *(page.text for page in book.pages)]
    write_pdf(book, (fonts or Fonts()).for_texts(texts, book.language), file)
    return file.read_bytes()


def words_of(text: str) -> list[str]:
    return re.sub(r"[\s\ufffe\x02]", "", text).split("\n")


@pytest.mark.parametrize("texts", CASES.values(), ids=CASES)
@pytest.mark.parametrize("sizes", [[(256, 128)], [(64, 512), (512, 64)]], ids=["alike", "tall and wide"])
def test_every_text_is_whole_and_beside_its_picture(
    texts: list[str], sizes: list[tuple[int, int]], a_book: MakeBook, tmp_path: Path
) -> None:
    book = a_book(texts, sizes=sizes)
    with pypdfium2.PdfDocument(written(book, tmp_path)) as pdf:
        told = "".join(_text(sheet) for sheet in pdf)
        for text in (book.title, *texts):
            assert re.sub(r"\s", "", text) in re.sub(r"\s", "", told)
        pictures = 0
        for sheet in pdf:
            width, height = sheet.get_size()
            boxes = _text_boxes(sheet)
            for left, bottom, right, top in boxes:
                assert 0 <= left <= right <= width and 0 <= bottom <= top <= height
            for shown in sheet.get_objects(filter=[FPDF_PAGEOBJ_IMAGE]):
                pictures += 1
                _, bottom, _, top = shown.get_bounds()
                assert all(box[3] <= bottom or box[1] >= top for box in boxes)
        assert pictures == len(texts) + 1  # the first is also on the cover


def _text(sheet: Any) -> str:
    """Return the text of a sheet without its number."""
    text = str(sheet.get_textpage().get_text_range())
    return re.sub(r"\s*\d+$", "", text.replace("\ufffe", "").replace("\x02", ""))


def _text_boxes(sheet: Any) -> list[tuple[float, float, float, float]]:
    page = sheet.get_textpage()
    return [page.get_rect(number) for number in range(page.count_rects())]


def test_pages_are_numbered_and_the_cover_is_not(a_book: MakeBook, tmp_path: Path) -> None:
    with pypdfium2.PdfDocument(written(a_book(["One.", "Two."]), tmp_path)) as pdf:
        last = [sheet.get_textpage().get_text_range().split()[-1] for sheet in pdf]
        assert last == ["rain", "1", "2"]
        assert pdf.get_metadata_dict()["Title"] == "Mira & <the> rain"


def test_pictures_say_what_they_show(a_book: MakeBook, tmp_path: Path) -> None:
    data = written(a_book(["One.", "Two."], language="de"), tmp_path)
    assert data.count(b"/Alt (") == 3 and b"/Lang (de)" in data


def test_the_same_book_is_the_same_bytes(a_book: MakeBook, tmp_path: Path) -> None:
    book = a_book(["One.", "Zwei.", "שלום"], author="Somebody")
    assert written(book, tmp_path) == written(book, tmp_path)


@pytest.mark.parametrize("kind", ["png", "webp"])
def test_other_kinds_of_pictures(kind: str, a_book: MakeBook, tmp_path: Path) -> None:
    with pypdfium2.PdfDocument(written(a_book(["One."], kind=kind), tmp_path)) as pdf:
        assert len(pdf) == 2


def test_a_text_is_as_large_as_it_can_be(a_book: MakeBook) -> None:
    fonts = Fonts().for_texts(["a"])
    sizes = [sheets_of(a_book(["ten words of it, " * count]), fonts)[1].blocks for count in (1, 16, 26, 90)]
    found = [blocks[0].size if blocks else None for blocks in sizes]
    assert found[0] == SIZES[0] and found[3] is None
    assert found[0] > found[1] > found[2] >= SIZES[-1]  # type: ignore[operator]


def test_right_to_left(a_book: MakeBook, tmp_path: Path) -> None:
    text = "מירה הולכת בגשם, והגשם (כמו אתמול) Mira 123 שלום. " * 30
    book = a_book([text], language="he", title="מירה")
    sheets = sheets_of(book, Fonts().for_texts([text]))
    assert sheets[2].right_to_left and not sheets[2].blocks[0].centred
    with pypdfium2.PdfDocument(written(book, tmp_path)) as pdf:
        boxes = _text_boxes(pdf[2])
        assert max(box[2] for box in boxes) > 530, "lines begin on the right"
        assert "Mira" in pdf[2].get_textpage().get_text_range()


def test_letters_of_another_font(a_book: MakeBook, tmp_path: Path) -> None:
    """Han letters come from a font that the operator names; lines break between them."""
    text = "小米喜欢下雨。" * 20 + " Mira!"
    draw_font(tmp_path / "han.ttf", "小米喜欢下雨。")
    fonts = Fonts((str(tmp_path),))
    book = a_book([text], language="zh", title="小米")
    chosen = fonts.for_texts([text], "zh")
    assert [font.path.name for font in chosen] == ["SourceSerifPro-Regular.ttf", "han.ttf"]
    with pypdfium2.PdfDocument(written(book, tmp_path, fonts)) as pdf:
        told = "".join(_text(sheet) for sheet in pdf)
    assert re.sub(r"\s", "", told).count("小米喜欢下雨。") >= 19


def test_lines_are_about_as_long_as_each_other(a_book: MakeBook) -> None:
    """Words are balanced over the lines, instead of leaving one word alone on the last line."""
    fonts = Fonts().for_texts(["a"])
    for words in range(8, 30):
        text = "word " * words
        (block,) = sheets_of(a_book([text]), fonts)[1].blocks
        assert " ".join(block.lines) == text.strip()
        lengths = [len(line.split()) for line in block.lines]
        assert max(lengths) - min(lengths) <= len(lengths), lengths
