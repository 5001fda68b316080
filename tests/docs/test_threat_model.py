"""Check docs/security.md's threat model: each row names its defence and the tests of it, and they exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]
TABLE = (REPOSITORY / "docs/security.md").read_text().partition("## Threat model")[2].partition("\n## ")[0]
ROWS = [line.strip("|").split("|") for line in TABLE.splitlines() if line.startswith("| ")][1:]
assert ROWS, "the page has a threat model"
FILE = re.compile(r"`((?:serve|deployments|kubernetes|tests)/[\w/.-]+\.\w+)`")


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[1].strip()[:60])
def test_a_row_names_who_what_which_defence_and_which_test(row: list[str]) -> None:
    cells = [cell.strip() for cell in row]
    assert len(cells) == 4
    assert all(cells)
    defence, tests = cells[2:]
    assert tests == "none" if defence.startswith("none") else "`tests/" in tests
    assert not [name for name in FILE.findall(defence + tests) if not (REPOSITORY / name).is_file()]
