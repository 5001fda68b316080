"""`scripts/bench` lists every benchmark that the documents name, and refuses other names."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

REPOSITORY = Path(__file__).parents[2]
PAGES = [REPOSITORY / "README.md", *(REPOSITORY / "docs").glob("*.md")]


def bench(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [REPOSITORY / "scripts/bench", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)


def test_every_benchmark_that_a_document_names_is_listed_in_one_line() -> None:
    listed = dict(line.split(maxsplit=1) for line in bench().stdout.splitlines())
    named = {name for page in PAGES for name in re.findall(r"scripts/bench (\w+)", page.read_text())}
    assert named and named <= set(listed)
    assert all(says.endswith(".") for says in listed.values())


def test_another_name_is_refused() -> None:
    refused = bench("pages")
    assert refused.returncode == 2
    assert "there is no benchmark pages" in refused.stderr
