from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from bench.gpu_day.result_log import Report
from bench.gpu_day.runner import run_stages
from bench.gpu_day.stages import Stage

WRITES = "import sys, pathlib; pathlib.Path(sys.argv[1]).write_text('[1, 2]'); print('two figures')"
FAILS = "import sys; print('why it failed'); sys.exit(3)"
HANGS = (
    "import sys, pathlib, subprocess, time\n"
    "pathlib.Path(sys.argv[1]).write_text('[1]'); print('one', flush=True)\n"
    "subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)']); time.sleep(600)"
)

READS = """
import json, pathlib, sys
for stage in json.loads(pathlib.Path(sys.argv[2]).read_text())["stages"]:
    print(stage["name"], stage["status"], stage.get("result"))
"""


def stage(name: str, code: str, budget_s: float = 60.0) -> Stage:
    return Stage(name, f"title of {name}", budget_s, (sys.executable, "-c", code, "{result}"))


def run(tmp_path: Path, *stages: Stage, total_s: float = 60.0) -> tuple[bool, dict[str, Any], str]:
    report, said = Report(tmp_path, rehearsal=True), []
    succeeded = run_stages(stages, report, tmp_path, [], total_s, said.append)
    return succeeded, json.loads((tmp_path / "report.json").read_text()), "\n".join(map(str, said))


def test_each_is_run_in_its_order_and_its_figures_are_in_the_report(tmp_path: Path) -> None:
    succeeded, report, said = run(tmp_path, stage("a", WRITES), stage("b", WRITES))
    assert succeeded
    assert [each["name"] for each in report["stages"]] == ["a", "b"]
    assert [each["result"] for each in report["stages"]] == [[1, 2], [1, 2]]
    assert report["stages"][0]["last_lines"] == ["two figures"] and "two figures" in said
    text = (tmp_path / "report.txt").read_text()
    assert "REHEARSAL" in text and "a: title of a: succeeded" in text and "two figures" in text
    assert (tmp_path / "log.txt").read_text() == "two figures\n" * 2


def test_one_that_fails_takes_nothing_from_the_next(tmp_path: Path) -> None:
    missing = Stage("c", "no such program", 60.0, ("/nowhere/at/all",))
    succeeded, report, _ = run(tmp_path, stage("a", FAILS), missing, stage("b", WRITES))
    assert not succeeded
    statuses = [each["status"] for each in report["stages"]]
    assert statuses == ["failed with 3", "failed: No such file or directory", "succeeded"]
    assert report["stages"][0]["last_lines"] == ["why it failed"]


def test_one_that_hangs_is_ended_at_its_budget_with_all_that_it_started_and_keeps_its_figures(
    tmp_path: Path,
) -> None:
    began = time.monotonic()
    succeeded, report, _ = run(tmp_path, stage("a", HANGS, budget_s=6.0), stage("b", WRITES))
    assert not succeeded
    first, second = report["stages"]
    assert (first["status"], first["result"], first["last_lines"]) == (
        "stopped at its time limit",
        [1],
        ["one"],
    )
    assert second["status"] == "succeeded"
    assert time.monotonic() - began < 120, "the stage was not ended"


def test_what_there_is_no_time_for_is_said(tmp_path: Path) -> None:
    succeeded, report, _ = run(tmp_path, stage("a", WRITES), stage("b", WRITES), total_s=1.0)
    assert not succeeded
    assert [each["status"] for each in report["stages"]] == ["no time left"] * 2


def test_every_result_is_written_before_the_next_stage_begins(tmp_path: Path) -> None:
    """The second stage reads the first one's entry in the report."""
    report_file = str(tmp_path / "report.json")
    reader = Stage("b", "reads", 60.0, (sys.executable, "-c", READS, "{result}", report_file))
    _, report, _ = run(tmp_path, stage("a", WRITES), reader)
    assert report["stages"][1]["last_lines"] == ["a succeeded [1, 2]", "b running None"]


@pytest.mark.parametrize("torn", ["", "{", "[1,"])
def test_half_a_result_is_none(tmp_path: Path, torn: str) -> None:
    code = f"import sys, pathlib; pathlib.Path(sys.argv[1]).write_text({torn!r})"
    _, report, _ = run(tmp_path, stage("a", code))
    assert report["stages"][0]["result"] is None
