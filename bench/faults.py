"""Run every fault of docs/reliability.md, and write into it what was promised and what happened."""

from __future__ import annotations

import argparse
import os
import platform
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from datetime import date
from pathlib import Path

from bench.pages.sections import write_section

REPOSITORY = Path(__file__).parents[1]
DOCUMENT = REPOSITORY / "docs/reliability.md"
CLUSTERS = ("test_nodes", "test_node_autoscaling", "test_pods", "test_ten_thousand")
DRILLS = ("tests/faults", *(f"tests/cluster/{name}.py" for name in CLUSTERS))
"""Each runs in its own process, since a process joins one Ray cluster. Tests without a row run too."""

RAN = {0: 0, 1: 1, 5: 0}
"""pytest's exit codes that judge promises. 5 means that none of the tests was selected."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("pytest", nargs="*", help="arguments for pytest after --, such as: -- -k merger")
    arguments = parser.parse_args()
    rows, codes = [], []
    for drill in DRILLS:
        made, code = run(drill, arguments.pytest)
        rows += made
        codes.append(code)
    print(table(rows))
    if None in codes:
        sys.exit("bench: the drill did not complete, so the document was not changed")
    if not arguments.pytest:
        write_section(DOCUMENT, "drill", table_of(rows))
    sys.exit(max(code for code in codes if code is not None))


def run(drill: str, more: list[str]) -> tuple[list[tuple[str, str, str]], int | None]:
    """Return a drill's rows, and 0 if all promises were kept, 1 if not, None if some were not tested."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "drill.xml"
        command = [sys.executable, "-m", "pytest", drill, "-m", "slow or not slow", f"--junitxml={report}"]
        code = subprocess.run([*command, "-o", "junit_family=xunit1", *more], cwd=REPOSITORY).returncode
        if not report.exists() or code not in RAN or "<error" in report.read_text():
            return [], None
        return list(read_rows(report.read_text())), RAN[code]


def read_rows(report: str) -> Iterator[tuple[str, str, str]]:
    """Yield (fault, promise, seen) for each test that names its fault, in the order in which they ran."""
    for case in ElementTree.fromstring(report).iter("testcase"):  # noqa: S314 (pytest wrote it a moment ago)
        properties = {each.get("name"): each.get("value") or "" for each in case.iter("property")}
        if "fault" in properties:
            failed = case.find("failure") is not None
            yield (
                properties["fault"],
                properties["promise"],
                "**not kept**" if failed else properties.get("seen", ""),
            )


def table(rows: list[tuple[str, str, str]]) -> str:
    return "\n".join(
        ["| fault | promise | seen |", "|---|---|---|", *(f"| {' | '.join(row)} |" for row in rows)]
    )


def table_of(rows: list[tuple[str, str, str]]) -> str:
    """Return the document's section: the table, and the machine on which it was made."""
    made = (
        f"`scripts/bench faults` on {date.today().isoformat()}, {platform.machine()} with {os.cpu_count()}"
        " processors, simulated generators:"
    )
    return f"{made}\n\n{table(rows)}"


if __name__ == "__main__":
    main()
