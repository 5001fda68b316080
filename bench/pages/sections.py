"""Replace the parts of a page that a benchmark writes, between marks that Markdown does not show."""

from __future__ import annotations

from pathlib import Path


def with_section(page: str, name: str, body: str) -> str:
    """Return the page with `body` between `<!-- name: begin -->` and `<!-- name: end -->`.

    Raises ValueError if the page has no such marks.
    """
    begin, end = f"<!-- {name}: begin -->", f"<!-- {name}: end -->"
    before, found, rest = page.partition(begin)
    _, ended, after = rest.partition(end)
    if not found or not ended:
        raise ValueError(f"the page has no section {name}: add {begin} and {end}")
    return f"{before}{begin}\n{body.strip()}\n{end}{after}"


def write_section(page: Path, name: str, body: str) -> None:
    page.write_text(with_section(page.read_text(encoding="utf-8"), name, body), encoding="utf-8")
