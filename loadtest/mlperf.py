"""MLPerf LoadGen's Server and Offline scenarios over the same requests: another's generator to check ours by.

LoadGen draws the arrivals, keeps the clock and gives percentiles and verdict; only the sending is ours. It
counts latency from the scheduled time, as `run` does. https://github.com/mlcommons/inference
"""

from __future__ import annotations

import asyncio
import re
import tempfile
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Self

import mlperf_loadgen as loadgen

from .mix import Mix
from .plan import Ask, plan
from .record import Record
from .traffic import Target, Traffic

Scenario = Literal["server", "offline"]
LIBRARY = 256
"""How many different requests it draws from."""
PERCENTILES = {"50.00": "p50", "90.00": "p90", "95.00": "p95", "99.00": "p99", "99.90": "p999"}
LINE = re.compile(r"^(.+?)\s*:\s*(\S+)\s*$", re.MULTILINE)


@dataclass(frozen=True)
class Exam:
    """`rate_rps`: Server's target, and what Offline reckons how many samples to send at once from."""

    scenario: Scenario
    rate_rps: float
    duration_s: float
    bound_s: float
    seed: int = 1


def examine(target: Target, mix: Mix, exam: Exam) -> dict[str, Any]:
    """LoadGen's verdict and figures, latencies in seconds; `errors` are ours, since LoadGen knows none."""
    with (
        tempfile.TemporaryDirectory(prefix="loadgen-") as folder,
        _Sender(target, plan(mix, _zeros(), exam.seed)) as sender,
    ):
        system = loadgen.ConstructSUT(sender.issue, sender.flush)
        library = loadgen.ConstructQSL(LIBRARY, LIBRARY, _nothing, _nothing)
        try:
            loadgen.StartTestWithLogSettings(system, library, _settings(exam), _logging(folder))
        finally:
            loadgen.DestroyQSL(library)
            loadgen.DestroySUT(system)
        told = read_summary((Path(folder) / "mlperf_log_summary.txt").read_text())
    failed = [record.code for record in sender.records if not record.ok]
    return {
        **told,
        "requests": len(sender.records),
        "errors": {code: failed.count(code) for code in set(failed)},
    }


def read_summary(text: str) -> dict[str, Any]:
    """Of the text that LoadGen writes."""
    told = dict(LINE.findall(text))
    rate = next((told[name] for name in told if name.endswith("amples per second")), None)
    latency = {
        ours: int(told[f"{theirs} percentile latency (ns)"]) / 1e9 for theirs, ours in PERCENTILES.items()
    }
    return {
        "valid": told["Result is"] == "VALID",
        "invalid_because": [
            name for name, value in told.items() if "satisfied" in name and value.lower() == "no"
        ],
        "scenario": told["Scenario"].lower(),
        "throughput_rps": float(told.get("Completed samples per second", rate or "nan")),
        "latency_s": {**latency, "max": int(told["Max latency (ns)"]) / 1e9},
    }


class _Sender:
    """An event loop on a thread of its own: LoadGen calls from its own threads, and must not be held up."""

    def __init__(self, target: Target, asks: Sequence[Ask]) -> None:
        self._target, self._asks = target, asks
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="sender")
        self._sending: set[asyncio.Task[None]] = set()
        self.records: list[Record] = []

    def __enter__(self) -> Self:
        self._thread.start()
        self._traffic = Traffic(self._target, lambda record: None)
        asyncio.run_coroutine_threadsafe(self._traffic.__aenter__(), self._loop).result()
        return self

    def __exit__(self, *raised: object) -> None:
        asyncio.run_coroutine_threadsafe(self._end(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def issue(self, samples: Sequence[Any]) -> None:
        wanted = [(sample.id, sample.index) for sample in samples]
        self._loop.call_soon_threadsafe(self._begin, wanted)

    def flush(self) -> None:
        """Nothing is held back."""

    async def _end(self) -> None:
        """LoadGen is done with the last answer; its picture may still be looked at."""
        await asyncio.gather(*self._sending)
        await self._traffic.__aexit__()

    def _begin(self, wanted: Sequence[tuple[int, int]]) -> None:
        for number, index in wanted:
            task = self._loop.create_task(self._one(number, self._asks[index]))
            self._sending.add(task)
            task.add_done_callback(self._sending.discard)

    async def _one(self, number: int, ask: Ask) -> None:
        try:
            record, pictures = await self._traffic.answered(ask, self._traffic.now())
        finally:
            loadgen.QuerySamplesComplete([loadgen.QuerySampleResponse(number, 0, 0)])
        self.records.append(await self._traffic.checked(ask, record, pictures))


def _settings(exam: Exam) -> Any:
    settings = loadgen.TestSettings()
    settings.mode = loadgen.TestMode.PerformanceOnly
    settings.min_duration_ms = round(1e3 * exam.duration_s)
    settings.schedule_rng_seed = settings.qsl_rng_seed = settings.sample_index_rng_seed = exam.seed
    if exam.scenario == "server":
        settings.scenario = loadgen.TestScenario.Server
        settings.server_target_qps = exam.rate_rps
        settings.server_target_latency_ns = round(1e9 * exam.bound_s)
        settings.min_query_count = round(exam.rate_rps * exam.duration_s)
    else:
        settings.scenario = loadgen.TestScenario.Offline
        settings.offline_expected_qps = exam.rate_rps
        settings.min_query_count = 1
    return settings


def _logging(folder: str) -> Any:
    output = loadgen.LogOutputSettings()
    output.outdir = folder
    output.copy_summary_to_stdout = False
    settings = loadgen.LogSettings()
    settings.log_output = output
    settings.enable_trace = False
    return settings


def _zeros() -> list[float]:
    return [0.0] * LIBRARY


def _nothing(samples: Sequence[int]) -> None:
    """Requests are made in memory: there is nothing to load."""
