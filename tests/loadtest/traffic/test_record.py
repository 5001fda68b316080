from __future__ import annotations

import json
from pathlib import Path

import pytest

from loadtest.traffic.record import Record, read, write

RECORD = Record(
    3, "scene", "/v1/scenes", 1.0, 1.25, 4.0, "ok", 200, 3.9, {"merge": 0.1}, 1, 99, "r3", "diffusers"
)


def test_a_line_is_read_back_with_its_latency_from_the_intended_time(tmp_path: Path) -> None:
    file = tmp_path / "records.jsonl"
    with file.open("w") as lines:
        write(RECORD, lines)
    assert list(read(file)) == [RECORD]
    line = json.loads(file.read_text())
    assert (line["latency_s"], line["send_lag_s"]) == (3.0, 0.25)


def test_what_is_no_record_is_refused_by_line(tmp_path: Path) -> None:
    file = tmp_path / "records.jsonl"
    file.write_text('{"index": 1}\n')
    with pytest.raises(ValueError, match="line 1"):
        list(read(file))
