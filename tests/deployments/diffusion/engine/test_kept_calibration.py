"""Test that a stored calibration is read, and that it is measured if it cannot be read."""

from __future__ import annotations

from pathlib import Path

import pytest

from deployments.diffusion.engine import calibration as module
from deployments.diffusion.engine.calibration import Calibration, kept_calibration

FOUND = Calibration(2, {1: 0.05, 2: 0.08, 4: 0.16})


class Measuring:
    """Count the measurements."""

    def __init__(self) -> None:
        self.times = 0

    def __call__(self) -> Calibration:
        self.times += 1
        return FOUND


def test_second_start_reads_what_the_first_has_measured(tmp_path: Path) -> None:
    measure, folder = Measuring(), tmp_path / "state" / "calibrations"
    assert kept_calibration(folder, "model", (16, 2.0), measure) == FOUND
    assert kept_calibration(folder, "model", (16, 2.0), measure) == FOUND
    assert measure.times == 1


def test_another_model_setting_machine_or_version_is_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    measure = Measuring()
    kept_calibration(tmp_path, "model", (16, 2.0), measure)
    kept_calibration(tmp_path, "other", (16, 2.0), measure)
    kept_calibration(tmp_path, "model", (8, 2.0), measure)
    monkeypatch.setattr(module, "_processor", lambda: "another")
    kept_calibration(tmp_path, "model", (16, 2.0), measure)
    monkeypatch.setattr(module, "_version", lambda package: "9.9")
    kept_calibration(tmp_path, "model", (16, 2.0), measure)
    assert measure.times == 5


@pytest.mark.parametrize(
    "text", ["", "{}", "[]", '{"cap_rows": 2, "seconds": {}}', '{"cap_rows": 2, "seconds": {"1": 0}}']
)
def test_a_file_that_says_nothing_is_measured_and_written_again(tmp_path: Path, text: str) -> None:
    measure = Measuring()
    kept_calibration(tmp_path, "model", (), measure)
    (file,) = tmp_path.iterdir()
    file.write_text(text)
    assert kept_calibration(tmp_path, "model", (), measure) == FOUND
    assert kept_calibration(tmp_path, "model", (), measure) == FOUND
    assert measure.times == 2


def test_a_folder_that_cannot_be_written_to_keeps_nothing(tmp_path: Path) -> None:
    measure = Measuring()
    (tmp_path / "file").write_text("")
    for folder in (tmp_path / "file", None):
        assert kept_calibration(folder, "model", (), measure) == FOUND
    assert measure.times == 2
