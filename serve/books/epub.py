"""Write a book as a fixed-layout EPUB 3: each sheet is a page of the same size, with the same lines."""

from __future__ import annotations

import uuid
import zipfile
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from html import escape
from io import BytesIO
from pathlib import Path

from .book import Book, unhurried
from .book_colors import Color
from .book_fonts import Font, plain
from .typeset import FAMILY, FOOT, NUMBER_SIZE, Block, Sheet, sheets_of

OLDEST = (1980, 1, 1, 0, 0, 0)
"""The time of every file in the archive, so that the same book gives the same bytes."""
UNKNOWN_TABLES = ["FFTM"]
"""A table that FontForge writes and readers do not use."""
KINDS = {"JPEG": ("jpg", "image/jpeg"), "PNG": ("png", "image/png")}
CONTAINER = """<?xml version="1.0" encoding="UTF-8"?>
<container version="1.0" xmlns="urn:oasis:names:tc:opendocument:xmlns:container">
  <rootfiles>
    <rootfile full-path="EPUB/package.opf" media-type="application/oebps-package+xml"/>
  </rootfiles>
</container>
"""


def write_epub(
    book: Book, fonts: Sequence[Font], file: Path, between: Callable[[], None] = unhurried
) -> None:
    """Write a book into a file. The same book gives the same bytes.

    `between` is called before each page. Raises OSError, and what `between` raises.
    """
    sheets = sheets_of(book, fonts, between)
    pictures = dict.fromkeys(sheet.picture for sheet in sheets if sheet.picture is not None)
    with zipfile.ZipFile(file, "w") as archive:
        _add(archive, "mimetype", b"application/epub+zip", zipfile.ZIP_STORED)
        _add(archive, "META-INF/container.xml", CONTAINER.encode())
        names: dict[Path, tuple[str, str]] = {}
        for number, path in enumerate(pictures):
            between()
            data, suffix, kind = _picture(path)
            names[path] = (f"pictures/{number:03}.{suffix}", kind)
            _add(archive, f"EPUB/{names[path][0]}", data, zipfile.ZIP_STORED)
        letters = _letters(book, sheets)
        for number, font in enumerate(fonts):
            _add(archive, f"EPUB/fonts/{number}.{_suffix(font)}", _subset(font, letters))
        _add(archive, "EPUB/book.css", _css(fonts).encode())
        for number, sheet in enumerate(sheets):
            picture = names[sheet.picture][0] if sheet.picture is not None else None
            _add(archive, f"EPUB/sheet-{number:03}.xhtml", _xhtml(book, sheet, picture).encode())
        _add(archive, "EPUB/nav.xhtml", _nav(book, sheets).encode())
        _add(archive, "EPUB/package.opf", _package(book, sheets, list(names.values()), fonts).encode())


def _add(archive: zipfile.ZipFile, name: str, data: bytes, how: int = zipfile.ZIP_DEFLATED) -> None:
    info = zipfile.ZipInfo(name, OLDEST)
    info.compress_type = how
    archive.writestr(info, data)


def _picture(path: Path) -> tuple[bytes, str, str]:
    """Return a picture's bytes, suffix and media type. EPUB 3.2 readers need not support WebP."""
    from PIL import Image

    with Image.open(path) as picture:
        if picture.format in KINDS:
            return path.read_bytes(), *KINDS[picture.format]
        with BytesIO() as file:
            picture.convert("RGB").save(file, "PNG")
            return file.getvalue(), *KINDS["PNG"]


def _letters(book: Book, sheets: Sequence[Sheet]) -> str:
    numbers = "0123456789"
    lines = (line for sheet in sheets for block in sheet.blocks for line in block.lines)
    return "".join(sorted({*numbers, *plain(book.title), *(letter for line in lines for letter in line)}))


def _suffix(font: Font) -> str:
    return "otf" if font.path.suffix.lower() in (".otf", ".otc") else "ttf"


def _subset(font: Font, letters: str) -> bytes:
    """Return a font that is reduced to these letters."""
    from fontTools import subset

    options = subset.Options(layout_features=["*"], notdef_outline=True, font_number=font.number)
    options.drop_tables += UNKNOWN_TABLES
    with subset.load_font(str(font.path), options) as file, BytesIO() as data:
        cutter = subset.Subsetter(options)
        cutter.populate(text=letters)
        cutter.subset(file)
        file.recalcTimestamp = False
        file.save(data)
        return data.getvalue()


def _css(fonts: Sequence[Font]) -> str:
    faces = [
        f'@font-face {{ font-family: "{FAMILY}-{n}"; src: url("fonts/{n}.{_suffix(font)}"); }}'
        for n, font in enumerate(fonts)
    ]
    families = ", ".join(f'"{FAMILY}-{number}"' for number in range(len(fonts)))
    return "\n".join(
        [
            *faces,
            "html, body { margin: 0; padding: 0; }",
            f"body {{ position: relative; overflow: hidden; font-family: {families}, serif; }}",
            "img, p, h1 { position: absolute; margin: 0; padding: 0; }",
            "p, h1 { white-space: nowrap; font-weight: normal; }",
            "",
        ]
    )


def _xhtml(book: Book, sheet: Sheet, picture: str | None) -> str:
    return "\n".join(_lines_of(book, sheet, picture))


def _lines_of(book: Book, sheet: Sheet, picture: str | None) -> Iterator[str]:
    language, direction = escape(book.language), "rtl" if sheet.right_to_left else "ltr"
    size = f"width: {_px(sheet.width)}; height: {_px(sheet.height)}"
    yield '<?xml version="1.0" encoding="UTF-8"?>'
    yield "<!DOCTYPE html>"
    yield (
        '<html xmlns="http://www.w3.org/1999/xhtml" xmlns:epub="http://www.idpf.org/2007/ops"'
        f' lang="{language}" xml:lang="{language}" dir="{direction}">'
    )
    yield f"<head><title>{escape(book.title)}</title>"
    yield f'<meta name="viewport" content="width={round(sheet.width)}, height={round(sheet.height)}"/>'
    yield '<link rel="stylesheet" type="text/css" href="book.css"/></head>'
    yield f'<body style="{size}; background: {_rgb(sheet.paper)}; color: {_rgb(sheet.ink)}">'
    if picture is not None and sheet.picture_box is not None:
        box = sheet.picture_box
        at = f"left: {_px(box.x)}; top: {_px(box.y)}; width: {_px(box.width)}; height: {_px(box.height)}"
        yield f'<img src="{picture}" alt="{escape(sheet.alt)}" style="{at}"/>'
    for block in sheet.blocks:
        yield _block(block, sheet.right_to_left)
    if sheet.number is not None:
        at = f"left: 0; top: {_px(sheet.height - FOOT)}; width: {_px(sheet.width)}"
        yield f'<p style="{at}; font-size: {_px(NUMBER_SIZE)}; text-align: center">{sheet.number}</p>'
    yield "</body></html>"


def _block(block: Block, right_to_left: bool) -> str:
    side = "center" if block.centred else "right" if right_to_left else "left"
    box, tag = block.box, "h1" if block.heading else "p"
    at = f"left: {_px(box.x)}; top: {_px(box.y)}; width: {_px(box.width)}"
    how = f"font-size: {_px(block.size)}; line-height: {_px(block.leading)}; text-align: {side}"
    lines = "<br/>".join(escape(line) for line in block.lines)
    return f'<{tag} style="{at}; {how}">{lines}</{tag}>'


def _rgb(color: Color) -> str:
    return f"rgb({', '.join(map(str, color))})"


def _px(points: float) -> str:
    return f"{points:.2f}px"


def _nav(book: Book, sheets: Sequence[Sheet]) -> str:
    items = [f'<li><a href="sheet-000.xhtml">{escape(plain(book.title))}</a></li>']
    seen: set[int | None] = {None}
    for number, sheet in enumerate(sheets):
        if sheet.source not in seen:
            seen.add(sheet.source)
            items.append(f'<li><a href="sheet-{number:03}.xhtml">{sheet.number}</a></li>')
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n<!DOCTYPE html>\n'
        '<html xmlns="http://www.w3.org/1999/xhtml" xmlns:epub="http://www.idpf.org/2007/ops">\n'
        f"<head><title>{escape(book.title)}</title></head>\n"
        f'<body><nav epub:type="toc"><ol>{"".join(items)}</ol></nav></body></html>\n'
    )


def _package(
    book: Book, sheets: Sequence[Sheet], pictures: Sequence[tuple[str, str]], fonts: Sequence[Font]
) -> str:
    modified = datetime.fromtimestamp(int(book.created_at), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    author = f"<dc:creator>{escape(book.author)}</dc:creator>" if book.author else ""
    items = ['<item id="nav" href="nav.xhtml" media-type="application/xhtml+xml" properties="nav"/>']
    items.append('<item id="css" href="book.css" media-type="text/css"/>')
    for number, (name, kind) in enumerate(pictures):
        cover = ' properties="cover-image"' if number == 0 else ""
        items.append(f'<item id="picture-{number}" href="{name}" media-type="{kind}"{cover}/>')
    for number, font in enumerate(fonts):
        suffix = _suffix(font)
        items.append(f'<item id="font-{number}" href="fonts/{number}.{suffix}" media-type="font/{suffix}"/>')
    for number in range(len(sheets)):
        name = f"sheet-{number:03}"
        items.append(f'<item id="{name}" href="{name}.xhtml" media-type="application/xhtml+xml"/>')
    spine = "".join(f'<itemref idref="sheet-{number:03}"/>' for number in range(len(sheets)))
    language = escape(book.language)
    turning = "rtl" if book.right_to_left else "ltr"
    return f"""<?xml version="1.0" encoding="UTF-8"?>
<package xmlns="http://www.idpf.org/2007/opf" version="3.0" unique-identifier="id" xml:lang="{language}">
<metadata xmlns:dc="http://purl.org/dc/elements/1.1/">
<dc:identifier id="id">urn:uuid:{uuid.UUID(book.id)}</dc:identifier>
<dc:title>{escape(book.title)}</dc:title>
<dc:language>{language}</dc:language>
{author}
<meta property="dcterms:modified">{modified}</meta>
<meta property="rendition:layout">pre-paginated</meta>
<meta property="rendition:orientation">auto</meta>
<meta property="rendition:spread">none</meta>
<meta property="schema:accessMode">visual</meta>
<meta property="schema:accessMode">textual</meta>
<meta property="schema:accessModeSufficient">textual</meta>
<meta property="schema:accessibilityFeature">alternativeText</meta>
<meta property="schema:accessibilityHazard">none</meta>
</metadata>
<manifest>
{chr(10).join(items)}
</manifest>
<spine page-progression-direction="{turning}">{spine}</spine>
</package>
"""
