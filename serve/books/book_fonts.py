"""Choose fonts for a text: the bundled ones, those that the operator names, and installed open ones.

A letter that none of them has is an error, never an empty box.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

BUNDLED = Path(__file__).with_name("SourceSerifPro-Regular.ttf")
"""Source Serif Pro 2.0, with its licence beside it: Latin, Greek and Cyrillic, designed for books."""
OF_MORE_SCRIPTS = Path(__file__).parents[2] / "deployments/imaging/marks/DejaVuSans.ttf"
FOLDERS = ("/usr/share/fonts", "/usr/local/share/fonts", "~/.local/share/fonts", "~/.fonts")
OPEN_FONTS = (
    "NotoSans-Regular",
    "NotoSansCJK-Regular",
    "NotoSansCJKsc-Regular",
    "NotoSerifCJK-Regular",
    "SourceHanSans",
    "DroidSansFallbackFull",
    "wqy-zenhei",
    "wqy-microhei",
    "uming",
    "ukai",
    "ipaexg",
    "ipag",
    "fonts-japanese-gothic",
    "NanumGothic",
    "UnBatang",
    "NotoNaskhArabic-Regular",
    "NotoSansArabic-Regular",
    "NotoSansHebrew-Regular",
    "NotoSansDevanagari-Regular",
    "Lohit-Devanagari",
    "NotoSansBengali-Regular",
    "Lohit-Bengali",
    "NotoSansTamil-Regular",
    "NotoSansThai-Regular",
    "Garuda",
    "NotoSansEthiopic-Regular",
    "NotoSansKhmer-Regular",
    "NotoSansLao-Regular",
    "NotoSansMyanmar-Regular",
    "NotoSansSinhala-Regular",
    "NotoSansTelugu-Regular",
    "FreeSans",
    "NotoSansSymbols2-Regular",
    "NotoEmoji-Regular",
    "Symbola",
)
"""File names of fonts under open licences, in the order in which they are tried."""
SUFFIXES = (".ttf", ".otf", ".ttc", ".otc")
MOST_FILES = 20_000
"""The most files that are searched in a folder of fonts."""
CJK_NUMBERS = {"ja": 0, "ko": 1, "zh": 2, "zh-Hans": 2, "zh-Hant": 3, "zh-TW": 3, "zh-HK": 3}
"""The index in Noto's collections of the font with a language's own shapes of Han letters."""


@dataclass(frozen=True)
class Font:
    """A font's file, and its index if that is a collection."""

    path: Path
    number: int = 0


class MissingGlyph(Exception):
    """No font has this letter."""

    def __init__(self, letter: str) -> None:
        super().__init__(letter)
        self.letter = letter

    def __str__(self) -> str:
        name = unicodedata.name(self.letter, "")
        number = f"U+{ord(self.letter):04X}{f', {name}' if name else ''}"
        return f"no font of this service has the letter {self.letter} ({number})"


class Fonts:
    """The fonts of a service. `named` are files or folders, which come before installed fonts."""

    def __init__(self, named: Sequence[str] = ()) -> None:
        self._named = tuple(named)

    def for_texts(self, texts: Iterable[str], language: str = "en") -> list[Font]:
        """Return fonts that together have every letter, a bundled one first. Raises MissingGlyph.

        If only the second bundled font has a script, it comes first, so that whole words are set in it.
        """
        missing = {letter for text in texts for letter in plain(text) if needs_glyph(letter)}
        first, second = Font(BUNDLED), Font(OF_MORE_SCRIPTS)
        other_script = {letter for letter in missing - letters_of(first) if letter.isalpha()}
        if other_script & letters_of(second):
            first, second = second, first
        chosen = [first]
        missing -= letters_of(first)
        for font in (second, *self._others(language)):
            if not missing:
                break
            try:
                has = missing & letters_of(font)
            except Exception:  # noqa: S112 (no font: fontTools raises any kind)  # nosec B112
                continue
            if has:
                chosen.append(font)
                missing -= has
        if missing:
            raise MissingGlyph(min(missing))
        return chosen

    def _others(self, language: str) -> Iterator[Font]:
        number = CJK_NUMBERS.get(language, CJK_NUMBERS.get(language.partition("-")[0], 0))
        for path in (*named_files(self._named), *found_files()):
            yield Font(path, number if path.suffix in (".ttc", ".otc") and "CJK" in path.name else 0)


def plain(text: str) -> str:
    """Return a text as it is set: with composed letters (NFC), and spaces instead of tabs."""
    return unicodedata.normalize("NFC", text).replace("\t", " ")


def needs_glyph(letter: str) -> bool:
    """Return whether a character is drawn: line ends, joiners, selectors and direction marks are not."""
    selector = "\ufe00" <= letter <= "\ufe0f" or "\U000e0100" <= letter <= "\U000e01ef" or letter == "\u034f"
    return letter != "\n" and not selector and unicodedata.category(letter) not in ("Cf", "Zl", "Zp")


def without_hidden(text: str, fonts: Sequence[Font]) -> str:
    """Return a text without the hidden characters for which its fonts have no glyph."""
    known = frozenset[str]().union(*map(letters_of, fonts))
    return "".join(each for each in plain(text) if needs_glyph(each) or each == "\n" or each in known)


@lru_cache(64)
def letters_of(font: Font) -> frozenset[str]:
    """Return the characters that a font has glyphs for. May raise any error if the file is not a font."""
    from fontTools.ttLib import TTFont

    with font.path.open("rb") as opened, TTFont(opened, fontNumber=font.number, lazy=True) as file:
        best: dict[int, Any] = file.getBestCmap() or {}
    return frozenset(map(chr, best))


def named_files(named: Sequence[str]) -> list[Path]:
    """Return the font files that an operator names, including those in named folders."""
    files: list[Path] = []
    for each in named:
        path = Path(each).expanduser()
        files += _files_in(path) if path.is_dir() else [path]
    return files


@lru_cache(1)
def found_files() -> tuple[Path, ...]:
    """Return the open fonts that are installed on this machine."""
    there: dict[str, Path] = {}
    for folder in FOLDERS:
        for path in _files_in(Path(folder).expanduser()):
            there.setdefault(path.stem, path)
    known = [there[name] for name in OPEN_FONTS if name in there]
    return tuple(known)


def _files_in(folder: Path) -> list[Path]:
    files = []
    for number, path in enumerate(folder.rglob("*") if folder.is_dir() else ()):
        if number >= MOST_FILES:
            break
        if path.suffix.lower() in SUFFIXES:
            files.append(path)
    return sorted(files)
