"""Text is never drawn as boxes, and looks the same on every machine, whatever fonts it has."""

from __future__ import annotations

import hashlib

import pytest
from PIL import ImageFont

from deployments.imaging.marks.mark_font import FONT_FILE, load_font, to_ascii

TEXT = "Zoë, Größe, Привет"


def boxes(font: ImageFont.FreeTypeFont, text: str) -> list[str]:
    missing = bytes(font.getmask("\U0010ffff"))
    return [
        character
        for character in text
        if not character.isspace() and bytes(font.getmask(character)) == missing
    ]


def test_the_bundled_font_draws_the_words_as_they_are() -> None:
    font, text = load_font(18, TEXT)
    assert (font.getname()[0], font.size, text) == ("DejaVu Sans", 18, TEXT)
    assert boxes(load_font(40, TEXT)[0], TEXT) == []


def test_what_the_font_has_no_glyph_for_is_spelled_and_the_rest_stays() -> None:
    font, text = load_font(40, "Zoë 漢字 \U0001d400 Привет")
    assert text == "Zoë ?? A Привет"
    assert boxes(font, text) == []


def test_the_letters_have_the_same_pixels_on_every_machine() -> None:
    font, text = load_font(12, "Generated with Stable Diffusion")
    mask = font.getmask(text)
    assert hashlib.sha256(bytes(mask)).hexdigest()[:16] == "5076584965cbbba0"


def test_the_font_s_licence_is_beside_it() -> None:
    assert "Bitstream Vera" in FONT_FILE.with_name("LICENSE_DEJAVU").read_text(encoding="utf-8")


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
