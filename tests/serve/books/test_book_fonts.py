"""Every letter has a font, or raises an error that names the letter."""

from __future__ import annotations

from pathlib import Path

import pytest

from serve.books import book_fonts as module
from serve.books.book_fonts import BUNDLED, OF_MORE_SCRIPTS, Fonts, MissingGlyph, without_hidden
from tests.support.drawn_font import draw_font


@pytest.fixture(autouse=True)
def _nothing_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "found_files", tuple)


@pytest.mark.parametrize("text", ["Mira", "Мира", "Μίρα", "ß–“”…\u00a0", "e\u0301\n\t", "\u200f\u200d\ufeff"])
def test_a_book_font_has_latin_greek_and_cyrillic(text: str) -> None:
    assert [font.path for font in Fonts().for_texts([text])] == [BUNDLED]


@pytest.mark.parametrize("text", ["מירה", "ميرا", "מירה Mira", "Միրա"])
def test_all_words_of_other_scripts_are_in_one_font(text: str) -> None:
    assert [font.path for font in Fonts().for_texts([text])] == [OF_MORE_SCRIPTS]


def test_a_sign_changes_no_words_font() -> None:
    assert [font.path for font in Fonts().for_texts(["Mira ♥ rain"])] == [BUNDLED, OF_MORE_SCRIPTS]


@pytest.mark.parametrize(
    ("text", "number"), [("小", "U+5C0F"), ("กขค", "U+0E01"), ("a\U00012000", "U+12000")]
)
def test_a_missing_letter_is_named(text: str, number: str) -> None:
    with pytest.raises(MissingGlyph, match=rf"no font of this service has the letter .* \(U\+{number[2:]}"):
        Fonts().for_texts(["fine", text])


def test_named_fonts_by_file_and_by_folder(tmp_path: Path) -> None:
    (tmp_path / "more").mkdir()
    (tmp_path / "more/broken.ttf").write_bytes(b"no font")
    one, two = draw_font(tmp_path / "one.ttf", "小"), draw_font(tmp_path / "more/two.ttf", "米")
    fonts = Fonts((str(one), str(tmp_path / "more"), str(tmp_path / "nothing.ttf")))
    assert [font.path for font in fonts.for_texts(["小"])] == [BUNDLED, one]
    assert [font.path for font in fonts.for_texts(["小米"])] == [BUNDLED, one, two]


def test_open_fonts_that_are_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    there = draw_font(tmp_path / "NotoSansCJK-Regular.ttf", "小")
    draw_font(tmp_path / "Bought.ttf", "米")
    monkeypatch.undo()
    monkeypatch.setattr(module, "FOLDERS", (str(tmp_path),))
    module.found_files.cache_clear()
    try:
        assert [font.path for font in Fonts().for_texts(["小"])] == [BUNDLED, there]
        with pytest.raises(MissingGlyph):
            Fonts().for_texts(["米"])
    finally:
        module.found_files.cache_clear()


def test_hidden_characters_without_a_glyph_leave_no_box() -> None:
    fonts = Fonts().for_texts(["a"])
    assert without_hidden("a\U000e0101\n\U000e0001b", fonts) == "a\nb"
