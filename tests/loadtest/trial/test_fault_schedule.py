from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from loadtest.trial.fault_schedule import Fault, Faults, costs
from tests.support.fake_service import FakeService


def test_faults_strike_on_their_timetable_while_the_load_runs(
    fake_service: FakeService, measure: Callable[..., dict[str, Any]], tmp_path: Path
) -> None:
    mark = tmp_path / "struck"
    command = f"echo x >> {mark}; exit 3"
    faults = Faults([Fault(command=command)], every_s=0.3, from_s=0.2, until_s=1.0, seed=1)
    fake_service.error = lambda number: (500, "internal") if mark.exists() else None
    summary = measure([number / 20 for number in range(24)], faults)
    assert [round(reported["at_s"], 1) for reported in faults.struck] == [0.2, 0.5, 0.8]
    assert mark.read_text() == "x\n" * 3
    assert {reported["result"] for reported in faults.struck} == {"exit 3"}
    reported = costs(faults.struck, summary["series"], 30.0)
    assert sum(fault["failed"] for fault in reported) >= summary["errors"]["500 internal"] > 5


def test_a_fault_costs_what_was_under_way_from_it_until_the_next() -> None:
    struck = [{"at_s": 10.0, "what": "x"}, {"at_s": 20.0, "what": "y"}]
    series = {
        "intended_s": [1.0, 8.0, 12.0, 21.0, 30.0],
        "latency_s": [2.0, 5.0, 1.0, 6.0, 1.0],
        "code": ["ok", "ok", "500", "ok", "cancelled"],
    }
    first, second = costs(struck, series, 100.0)
    assert (first["requests"], first["failed"], first["slowest_s"]) == (2, 1, 5.0)
    assert (second["requests"], second["failed"], second["slowest_s"]) == (2, 0, 6.0)
