"""Keep one line of JSON for each request, written when the request ends."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, TextIO

OK = "ok"
CANCELLED = "cancelled"


@dataclass(frozen=True)
class Record:
    """One request. Times are seconds after the run's start. `code` is "ok", "cancelled", or what went wrong.

    `intended_s` is when it should have been sent and `sent_s` when it was, the same in a closed loop.
    """

    index: int
    entry: str
    route: str
    intended_s: float
    sent_s: float
    done_s: float
    code: str
    status: int | None = None
    first_byte_s: float | None = None
    stages_s: dict[str, float] = field(default_factory=dict)
    pictures: int = 0
    received_bytes: int = 0
    request_id: str | None = None
    backend: str | None = None
    degraded: bool = False

    @property
    def latency_s(self) -> float:
        """Measure from the intended send time: waiting for a stalled generator is waiting too."""
        return self.done_s - self.intended_s

    @property
    def send_lag_s(self) -> float:
        return self.sent_s - self.intended_s

    @property
    def ok(self) -> bool:
        return self.code == OK

    @property
    def failed(self) -> bool:
        return self.code not in (OK, CANCELLED)


def write(record: Record, file: TextIO) -> None:
    """Write the record, with its latency and send lag for other tools to read."""
    line: dict[str, Any] = asdict(record)
    line["latency_s"], line["send_lag_s"] = record.latency_s, record.send_lag_s
    file.write(json.dumps(line) + "\n")


def read(file: Path) -> Iterator[Record]:
    """Read records. Raises ValueError naming the line."""
    with file.open(encoding="utf-8-sig") as lines:
        for number, line in enumerate(lines, 1):
            try:
                fields = json.loads(line)
                yield Record(**{name: fields[name] for name in Record.__dataclass_fields__})
            except (ValueError, KeyError, TypeError) as error:
                raise ValueError(f"{file} line {number} is not a record of a run") from error
