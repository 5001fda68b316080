"""Write the results as they come, so that no measurement is lost if the machine goes away."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any


class Report:
    """Keep report.json and report.txt in a folder up to date, beside log.txt."""

    def __init__(self, folder: Path, rehearsal: bool) -> None:
        self.folder = folder
        self.log = folder / "log.txt"
        self.log.write_text("", encoding="utf-8")
        self._began_at = time.monotonic()
        self._whole: dict[str, Any] = {"rehearsal": rehearsal, "stages": []}
        self._write()

    def begin(self, name: str, title: str, limit_s: float) -> None:
        """Note that a stage is running: if it ends the process, the report says which one it was."""
        stage = {"name": name, "title": title, "status": "running", "limit_s": round(limit_s, 1)}
        self._whole["stages"].append(stage)
        self._write()

    def end(self, status: str, seconds: float, result: Any, last_lines: list[str]) -> None:
        """Complete the stage that was begun last. `result` is what it measured, or None for nothing."""
        self._whole["stages"][-1] |= {
            "status": status,
            "seconds": round(seconds, 1),
            "result": result,
            "last_lines": last_lines,
        }
        self._write()

    def skip(self, name: str, title: str) -> None:
        self._whole["stages"].append({"name": name, "title": title, "status": "no time left"})
        self._write()

    def _write(self) -> None:
        self._whole["seconds"] = round(time.monotonic() - self._began_at, 1)
        _replace(self.folder / "report.json", json.dumps(self._whole, indent=1))
        _replace(self.folder / "report.txt", "\n".join(self._lines()) + "\n")

    def _lines(self) -> list[str]:
        kind = (
            "REHEARSAL on the CPU, in small: no figure here measures a GPU"
            if self._whole["rehearsal"]
            else "GPU day"
        )
        lines = [f"{kind}; {self._whole['seconds']} s so far"]
        for stage in self._whole["stages"]:
            took = f" in {stage['seconds']} s" if "seconds" in stage else ""
            lines += ["", f"{stage['name']}: {stage['title']}: {stage['status']}{took}"]
            lines += [f"    {line}" for line in stage.get("last_lines", ())]
        return lines


def _replace(file: Path, text: str) -> None:
    """Write a file whole or not at all."""
    unfinished = file.with_suffix(".unfinished")
    unfinished.write_text(text, encoding="utf-8")
    unfinished.replace(file)
