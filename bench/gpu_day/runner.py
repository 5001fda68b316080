"""Run the stages one after the other, each in a separate process that is ended at its limit."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from bench.gpu_day.result_log import Report
from bench.gpu_day.stages import Stage

KEPT_LINES = 40
LEAST_S = 5.0
"""No stage begins with less time left."""


def run_stages(
    stages: Sequence[Stage],
    report: Report,
    work: Path,
    paths: Sequence[str],
    total_s: float,
    say: Callable[[str], object] = print,
) -> bool:
    """Run the stages in order until the time is spent. Return whether all succeeded.

    `work` is a folder for the files that they write. `paths` are where Python finds modules.
    """
    ends_at, succeeded = time.monotonic() + total_s, True
    for stage in stages:
        limit_s = min(stage.budget_s, ends_at - time.monotonic())
        if limit_s < LEAST_S:
            say(f"== {stage.name}: no time left")
            report.skip(stage.name, stage.title)
            succeeded = False
            continue
        say(f"== {stage.name}: {stage.title}, at most {limit_s:.0f} s")
        report.begin(stage.name, stage.title, limit_s)
        began = time.monotonic()
        result = work / f"{stage.name}.json"
        status, lines = _run(stage, result, report, paths, limit_s, say)
        report.end(status, time.monotonic() - began, _read(result), lines)
        say(f"== {stage.name}: {status} in {time.monotonic() - began:.0f} s")
        succeeded = succeeded and status == "succeeded"
    return succeeded


def _run(
    stage: Stage,
    result: Path,
    report: Report,
    paths: Sequence[str],
    limit_s: float,
    say: Callable[[str], object],
) -> tuple[str, list[str]]:
    """Run a stage. Return how it ended and its last lines. The log gets every line as it comes."""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(paths), "PYTHONUNBUFFERED": "1"}
    last: deque[str] = deque(maxlen=KEPT_LINES)
    try:
        process = subprocess.Popen(
            stage.words(result, report.folder),
            env=environment | dict(stage.environment),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,  # So that it and its compile workers are one group.
        )
    except OSError as error:
        return f"failed: {error.strerror}", []

    def copy() -> None:
        assert process.stdout is not None
        with report.log.open("a", encoding="utf-8") as log, process.stdout:
            for line in process.stdout:
                log.write(line)
                log.flush()
                last.append(line.rstrip())
                say("   " + line.rstrip())

    copying = threading.Thread(target=copy, daemon=True)
    copying.start()
    try:
        code = process.wait(timeout=limit_s)
        status = "succeeded" if code == 0 else f"failed with {code}"
    except subprocess.TimeoutExpired:
        status = "stopped at its time limit"
    finally:
        _end_group(process)
    copying.join(timeout=5.0)
    return status, list(last)


def _end_group(process: subprocess.Popen[str]) -> None:
    """End the process and all that it started. This is idempotent."""
    with suppress(ProcessLookupError, PermissionError):  # macOS raises the latter for a group that has ended.
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _read(result: Path) -> Any:
    """Return what a stage has written, or None if that is nothing or incomplete."""
    try:
        return json.loads(result.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
