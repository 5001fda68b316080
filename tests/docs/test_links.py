"""The documentation's links: each leads somewhere, and docs/README.md leads to every page in one click."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]
DOCS = REPOSITORY / "docs"
FOLDERS = (".github", "client", "client-js", "docs", "examples", "loadtest", "models")
PAGES = sorted(
    page
    for page in [
        *REPOSITORY.glob("*.md"),
        *(page for each in FOLDERS for page in (REPOSITORY / each).rglob("*.md")),
    ]
    if "node_modules" not in page.parts
)
INLINE = re.compile(r"!?\[(?:[^\]\[]|\[[^\]]*\])*\]\(([^)\s]+)(?: \"[^\"]*\")?\)")
DEFINED = re.compile(r"^\[[^\]]+\]: (\S+)$", re.MULTILINE)


def prose(page: Path) -> str:
    """Return the page without its blocks of code, whose lines may begin with # or look like links."""
    return re.sub(r"^( *)```.*?^\1```$", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)


def links(page: Path) -> list[str]:
    text = prose(page)
    found = INLINE.findall(re.sub(r"`[^`\n]*`", "code", text)) + DEFINED.findall(text)
    return [link for link in found if not re.match(r"[a-z]+:", link)]


def anchors(page: Path) -> set[str]:
    """Return the anchors that GitHub gives the page's headings."""
    found: set[str] = set()
    for heading in re.findall(r"^#{1,6} (.+)$", prose(page), re.MULTILINE):
        words = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).strip().lower()
        anchor = re.sub(r"[^\w\- ]", "", words).replace(" ", "-")
        number = 0
        while (numbered := f"{anchor}-{number}" if number else anchor) in found:
            number += 1
        found.add(numbered)
    return found


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(REPOSITORY)))
def test_every_link_leads_somewhere(page: Path) -> None:
    for link in links(page):
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), f"{link} is not there"
        if anchor and target.suffix == ".md":
            assert anchor in anchors(target), f"{link} has no such heading"


def test_one_click_leads_from_the_index_to_every_page() -> None:
    index = DOCS / "README.md"
    linked = {(DOCS / link.partition("#")[0]).resolve() for link in links(index)}
    pages = {page for page in PAGES if page.is_relative_to(DOCS)} - {index}
    assert pages
    assert sorted(str(page.relative_to(DOCS)) for page in pages - linked) == []


def test_the_readme_leads_to_the_index() -> None:
    assert "docs/README.md" in links(REPOSITORY / "README.md")
