"""Text is never drawn as boxes, whatever fonts the machine has."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from PIL import ImageFont

from deployments.imaging.marks import fonts
from deployments.imaging.marks.fonts import Font, load_font, to_ascii

TEXT = "Zoë, Größe, Привет"
PILLOWS_OWN = "Aileron"
DEJAVU = next(
    (path for path in fonts.system_fonts(fonts.FONT_FOLDERS) if path.name == "DejaVuSans.ttf"), None
)
needs_dejavu = pytest.mark.skipif(DEJAVU is None, reason="DejaVu Sans is not installed")


@pytest.fixture
def no_system_fonts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fonts, "FONT_FOLDERS", ())


def family(font: Font) -> str | None:
    assert isinstance(font, ImageFont.FreeTypeFont)
    return font.getname()[0]


def boxes(font: Font, text: str) -> list[str]:
    missing = bytes(font.getmask("\U0010ffff"))
    return [
        character
        for character in text
        if not character.isspace() and bytes(font.getmask(character)) == missing
    ]


def pillows_own_as_a_file(path: Path) -> Path:
    own = ImageFont.load_default(10)
    assert isinstance(own, ImageFont.FreeTypeFont)
    path.write_bytes(own.font_bytes)
    return path


def test_whatever_is_installed_nothing_becomes_a_box() -> None:
    font, text = load_font(40, TEXT)
    assert text
    assert boxes(font, text) == []


@needs_dejavu
def test_the_system_font_draws_the_words_as_they_are() -> None:
    font, text = load_font(18, TEXT)
    assert (family(font), text) == ("DejaVu Sans", TEXT)
    assert isinstance(font, ImageFont.FreeTypeFont)
    assert font.size == 18


@pytest.mark.usefixtures("no_system_fonts")
def test_without_fonts_the_words_are_spelled_in_ascii() -> None:
    font, text = load_font(40, TEXT)
    assert (family(font), text) == (PILLOWS_OWN, "Zoe, Grosse, ??????")
    assert boxes(font, text) == []
    assert boxes(font, TEXT) == list("ëößПривет")


@pytest.mark.usefixtures("no_system_fonts")
def test_without_fonts_ascii_is_untouched() -> None:
    text = "Generated with Stable Diffusion!"
    assert load_font(12, text)[1] == text


@needs_dejavu
@pytest.mark.usefixtures("no_system_fonts")
def test_the_configured_font_comes_first(tmp_path: Path) -> None:
    assert DEJAVU is not None
    configured = shutil.copy(DEJAVU, tmp_path / "house.ttf")
    font, text = load_font(12, TEXT, configured)
    assert (family(font), text) == ("DejaVu Sans", TEXT)


@needs_dejavu
def test_a_configured_font_without_the_glyphs_is_passed_over(tmp_path: Path) -> None:
    latin = pillows_own_as_a_file(tmp_path / "latin.ttf")
    assert family(load_font(12, "Zoe", latin)[0]) == PILLOWS_OWN
    assert family(load_font(12, "Zoë", latin)[0]) == "DejaVu Sans"


@pytest.mark.usefixtures("no_system_fonts")
def test_a_configured_font_that_is_missing_or_broken_is_passed_over(tmp_path: Path) -> None:
    broken = tmp_path / "broken.ttf"
    broken.write_bytes(b"not a font")
    for path in (broken, tmp_path / "absent.ttf", tmp_path):
        font, text = load_font(12, "é", path)
        assert (family(font), text) == (PILLOWS_OWN, "e")


def test_the_search_finds_dejavu_then_noto(tmp_path: Path) -> None:
    names = ("b/NotoSansArabic-Regular.ttf", "b/NotoSans-Regular.ttf", "a/deep/DejaVuSans.ttf", "arial.ttf")
    for name in names:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    found = fonts.system_fonts((tmp_path / "absent", tmp_path))
    assert [path.name for path in found] == [
        "DejaVuSans.ttf",
        "NotoSans-Regular.ttf",
        "NotoSansArabic-Regular.ttf",
    ]


@pytest.mark.parametrize(
    ("text", "spelled"),
    [
        ("é ü ñ Å", "e u n A"),
        ("Straße", "Strasse"),
        ("Ærø — “łódź”", 'AEro - "lodz"'),
        ("ﬁn", "fin"),
        ("漢", "?"),
    ],
)
def test_ascii_spelling(text: str, spelled: str) -> None:
    assert to_ascii(text) == spelled
