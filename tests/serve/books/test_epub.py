"""An EPUB passes epubcheck, and contains every text with the fonts for its letters."""

from __future__ import annotations

import shutil
import subprocess
import xml.etree.ElementTree as ElementTree
import zipfile
from io import BytesIO
from pathlib import Path

import pytest
from fontTools.ttLib import TTFont
from PIL import Image

from serve.books.book import Book
from serve.books.book_fonts import Fonts
from serve.books.epub import write_epub
from tests.support.drawn_font import draw_font
from tests.support.noise_books import LONG, LONGER, MakeBook

XHTML = "{http://www.w3.org/1999/xhtml}"


def epubcheck() -> list[str] | None:
    """Return the command, if any. Debian's program is a JAR, which not every machine can execute directly."""
    found, java = shutil.which("epubcheck"), shutil.which("java")
    if found is None or not Path(found).read_bytes().startswith(b"PK"):
        return None if found is None else [found]
    return None if java is None else [java, "-XX:TieredStopAtLevel=1", "-jar", found]


def written(book: Book, file: Path, fonts: Fonts | None = None) -> Path:
    texts = [book.title, *(page.text for page in book.pages)]
    write_epub(book, (fonts or Fonts()).for_texts(texts, book.language), file)
    return file


def test_its_sheets_and_their_texts(a_book: MakeBook, tmp_path: Path) -> None:
    book = a_book(["In the <rain> & snow.", LONG, LONGER], author="A & B")
    with zipfile.ZipFile(written(book, tmp_path / "book.epub")) as archive:
        assert archive.namelist()[0] == "mimetype"
        assert archive.getinfo("mimetype").compress_type == zipfile.ZIP_STORED
        sheets = [name for name in archive.namelist() if name.startswith("EPUB/sheet-")]
        told, alts = "", []
        for name in sheets:
            tree = ElementTree.fromstring(archive.read(name))  # noqa: S314 (it is ours)
            told += "".join(
                " ".join(each.itertext())
                for tag in ("h1", "p")
                for each in tree.iter(XHTML + tag)
                if len(each) or not (each.text or "").isdigit()
            )
            alts += [each.attrib["alt"] for each in tree.iter(XHTML + "img")]
        for text in (book.title, "In the <rain> & snow.", LONG, LONGER):
            assert "".join(text.split()) in "".join(told.split())
        assert alts == ['Mira, "0" & more', 'Mira, "0" & more', 'Mira, "1" & more', 'Mira, "2" & more']
        package = archive.read("EPUB/package.opf").decode()
        assert "<dc:creator>A &amp; B</dc:creator>" in package
        assert '<meta property="rendition:layout">pre-paginated</meta>' in package
        with TTFont(BytesIO(archive.read("EPUB/fonts/0.ttf"))) as font:
            letters = font.getBestCmap()
        assert set(map(ord, "In the <rain> & snow.0123456789Mira")) <= letters.keys()
        assert ord("Ж") not in letters


def test_right_to_left(a_book: MakeBook, tmp_path: Path) -> None:
    with zipfile.ZipFile(written(a_book(["שלום"], "he", "מירה"), tmp_path / "book.epub")) as archive:
        assert 'page-progression-direction="rtl"' in archive.read("EPUB/package.opf").decode()
        sheet = archive.read("EPUB/sheet-001.xhtml").decode()
    assert 'dir="rtl"' in sheet and "שלום" in sheet


def test_webp_becomes_png(a_book: MakeBook, tmp_path: Path) -> None:
    with zipfile.ZipFile(written(a_book(["One."], kind="webp"), tmp_path / "book.epub")) as archive:
        assert Image.open(BytesIO(archive.read("EPUB/pictures/000.png"))).size == (256, 128)


def test_the_same_book_is_the_same_bytes(a_book: MakeBook, tmp_path: Path) -> None:
    book = a_book(["One.", "שלום"])
    one, two = (written(book, tmp_path / name).read_bytes() for name in ("1.epub", "2.epub"))
    assert one == two


@pytest.mark.skipif(epubcheck() is None, reason="epubcheck is not installed")
def test_epubcheck_finds_nothing(a_book: MakeBook, tmp_path: Path) -> None:
    """Check books with different scripts, pictures and sizes."""
    draw_font(tmp_path / "han.ttf", "小米下雨")
    books = [
        a_book(["In the <rain> & snow.", LONG, LONGER], author="A & B", sizes=[(64, 512), (512, 64)]),
        a_book(["שלום", "", "小米 Mira 下雨"], "he", "מירה", kind="webp"),
    ]
    command = epubcheck()
    assert command is not None
    for number, book in enumerate(books):
        file = written(book, tmp_path / f"{number}.epub", Fonts((str(tmp_path / "han.ttf"),)))
        done = subprocess.run([*command, str(file)], capture_output=True, text=True, timeout=200)
        assert done.returncode == 0 and "WARNING" not in done.stdout + done.stderr, done.stdout + done.stderr
