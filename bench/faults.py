"""The fault drill: runs tests/faults and writes what was promised and seen into docs/reliability.md."""

from __future__ import annotations

import argparse
import platform
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from datetime import date
from pathlib import Path

REPOSITORY = Path(__file__).parents[1]
DOCUMENT = REPOSITORY / "docs/reliability.md"
BEGIN, END = "<!-- drill: begin -->", "<!-- drill: end -->"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("pytest", nargs="*", help="after --: arguments for pytest, as in: -- -k merger")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "drill.xml"
        command = [
            sys.executable,
            "-m",
            "pytest",
            "tests/faults",
            f"--junitxml={report}",
            "-o",
            "junit_family=xunit1",
        ]
        code = subprocess.run([*command, *asked.pytest], cwd=REPOSITORY).returncode
        rows = list(read_rows(report.read_text())) if report.exists() else []
    if rows and not asked.pytest:
        DOCUMENT.write_text(with_table(DOCUMENT.read_text(), rows))
    print(table(rows))
    sys.exit(code)


def read_rows(report: str) -> Iterator[tuple[str, str, str]]:
    """(fault, promise, seen) of each test that names its fault, in the order in which they ran."""
    for case in ElementTree.fromstring(report).iter("testcase"):  # noqa: S314 (pytest wrote it a moment ago)
        told = {each.get("name"): each.get("value") or "" for each in case.iter("property")}
        if "fault" in told:
            failed = case.find("failure") is not None or case.find("error") is not None
            yield told["fault"], told["promise"], "**not kept**" if failed else told.get("seen", "")


def table(rows: list[tuple[str, str, str]]) -> str:
    return "\n".join(
        ["| fault | promise | seen |", "|---|---|---|", *(f"| {' | '.join(row)} |" for row in rows)]
    )


def with_table(document: str, rows: list[tuple[str, str, str]]) -> str:
    """The document with everything between its markers replaced."""
    before, rest = document.split(BEGIN)
    after = rest.split(END)[1]
    made = (
        f"`scripts/bench faults` on {date.today().isoformat()}, {platform.machine()}, simulated generators:"
    )
    return f"{before}{BEGIN}\n{made}\n\n{table(rows)}\n{END}{after}"


if __name__ == "__main__":
    main()
