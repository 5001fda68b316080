"""Run the commands as typed, against the fake service."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.support.fake_service import FakeService
from tests.support.load_commands import reported


def test_a_run_writes_all_it_promises(url: str, mix_file: str, tmp_path: Path) -> None:
    out, html, records = (tmp_path / name for name in ("r.json", "r.html", "r.jsonl"))
    files = ("--out", out, "--html", html, "--records", records)
    load = ("--rate", 20, "--duration", 1, "--warmup", 0.3, "--mix", mix_file, "--seed", 7, "--quiet")
    result = reported("run", "--url", url, *load, "--slo", "ok>=99%", "--api-key", "secret-key", *files)
    assert result.exit_code in (0, 3), result.output  # 3 if this machine is too busy to send in time
    summary = json.loads(out.read_text())
    assert summary["ok"] == summary["requests"] > 5
    assert summary["config"]["rate"] == 20 and summary["config"]["mix"]["characters"] == ["a"]
    assert summary["machine"]["cores"]
    assert summary["slo"]["met"]
    assert len(records.read_text().splitlines()) >= summary["requests"]
    assert html.read_text().startswith("<!doctype html>")
    assert "ok>=99%: met" in result.stdout
    assert not [file for file in (out, html, records) if "secret-key" in file.read_text()]


def test_a_missed_objective_exits_1(fake_service: FakeService, url: str, mix_file: str) -> None:
    fake_service.error = lambda number: (500, "internal")
    load = ("--arrival", "constant", "--rate", 4, "--duration", 1, "--warmup", 0, "--mix", mix_file)
    result = reported("run", "--url", url, *load, "--slo", "ok>=99%", "--quiet")
    assert result.exit_code in (1, 3), result.output
    assert "500 internal" in result.output and "MISSED" in result.output


def test_a_run_of_failures_exits_1_without_an_objective(
    fake_service: FakeService, url: str, mix_file: str
) -> None:
    fake_service.error = lambda number: (503, "not_ready")
    load = ("--arrival", "constant", "--rate", 4, "--duration", 1, "--warmup", 0, "--mix", mix_file)
    result = reported("run", "--url", url, *load, "--quiet")
    assert result.exit_code in (1, 3), result.output
    assert "no request got a good response" in result.output


def test_a_run_that_is_stopped_reports_what_it_saw(url: str, mix_file: str, tmp_path: Path) -> None:
    out = tmp_path / "r.json"
    load = ("--url", url, "--rate", "20", "--duration", "60", "--warmup", "0", "--mix", mix_file)
    with subprocess.Popen(
        [sys.executable, "-m", "loadtest", "run", *load, "--out", str(out)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as running:
        assert running.stderr is not None
        assert "ok" in running.stderr.readline()  # the first second's line
        running.send_signal(signal.SIGINT)
        stdout, _ = running.communicate(timeout=60)
    assert running.returncode == 3, stdout
    assert "stopped before its end" in stdout
    assert json.loads(out.read_text())["requests"] > 0


@pytest.mark.parametrize(
    ("words", "warnings"),
    [
        (["--rate", "1", "--users", "2"], "--users cannot be combined"),
        ([], "give --rate"),
        (["--arrival", "trace", "--rate", "1"], "must be given together"),
        (["--rate", "1", "--slo", "p42<1s"], "p42 is not a known metric"),
        (["--rate", "1", "--out", "/nowhere/r.json"], "check that its folder exists"),
        (["--rate", "0"], "--rate"),
        (["--rate", "1", "--mix", "/nowhere.json"], "cannot be read"),
    ],
)
def test_wrong_usage_exits_2(url: str, words: list[str], warnings: str) -> None:
    result = reported("run", "--url", url, *words)
    assert result.exit_code == 2
    assert warnings in result.output


@pytest.mark.parametrize("address", ["127.0.0.1:8000", "ftp://x", "http://127.0.0.1:8000/v1"])
def test_what_is_no_address_is_refused(address: str) -> None:
    result = reported("run", "--url", address, "--rate", 1)
    assert result.exit_code == 2 and "the address" in result.output


def test_an_address_where_nothing_listens_is_reported_before_the_run() -> None:
    result = reported("run", "--url", "http://127.0.0.1:9", "--rate", 1)
    assert result.exit_code == 2 and "nothing responds" in result.output


def test_a_cluster_that_does_not_answer_is_reported(url: str) -> None:
    result = reported("run", "--url", url, "--rate", 1, "--duration", 1, "--ray-address", "127.0.0.1:1")
    assert result.exit_code == 2, result.output
    assert "did not report its Serve replicas" in result.output


@pytest.mark.slow
def test_find_finds_a_known_capacity(
    fake_service: FakeService, url: str, mix_file: str, tmp_path: Path
) -> None:
    """One slot of 0.25 s serves 4 per second. The mean wait of M/D/1 is ρ/(2(1-ρ)) services: 2 at ρ = 0.8."""
    fake_service.delay_s, fake_service.capacity = 0.25, 1
    out, html = tmp_path / "f.json", tmp_path / "f.html"
    slo = ("--slo", "mean<0.8s", "--precision", 0.2)
    times = ("--from", 1.5, "--most", 8, "--duration", 6, "--confirm", 8, "--warmup", 1)
    result = reported(
        "find", "--url", url, *slo, *times, "--mix", mix_file, "--out", out, "--html", html, "--quiet"
    )
    found = json.loads(out.read_text())
    if result.exit_code == 3:
        pytest.skip(f"this machine is too busy to send in time: {found['invalid_because']}")
    assert result.exit_code == 0, result.output
    assert found["confirmed"] and 1.8 < found["rate_rps"] < 4.0
    assert found["probes"][-1]["purpose"] == "confirm" and found["probes"][-1]["met"]
    assert any(not probe["met"] for probe in found["probes"])
    assert "requests per second meet" in html.read_text()


def test_find_without_a_rate_that_holds_exits_1(fake_service: FakeService, url: str, mix_file: str) -> None:
    fake_service.error = lambda number: (503, "not_ready")
    times = ("--from", 8, "--duration", 0.5, "--warmup", 0)
    result = reported(
        "find", "--url", url, "--slo", "ok>=99%", *times, "--mix", mix_file, "--quiet", "--seed", 3
    )
    assert result.exit_code in (1, 3), result.output


def test_a_step_reports_its_three_times(
    fake_service: FakeService, url: str, mix_file: str, tmp_path: Path
) -> None:
    out = tmp_path / "s.json"
    load = ("--low", 8, "--high", 20, "--before", 1, "--hold", 1, "--after", 0.5, "--warmup", 0)
    result = reported(
        "step", "--url", url, *load, "--mix", mix_file, "--slo", "p95<5s", "--out", out, "--quiet"
    )
    assert result.exit_code in (0, 3), result.output
    step = json.loads(out.read_text())["step"]
    assert step["phases"]["high"]["offered_rps"] > step["phases"]["before"]["offered_rps"]
    assert step["time_to_recovery_s"] == 0 and step["time_to_decision_s"] is None


def test_chaos_strikes_and_reports(
    fake_service: FakeService, url: str, mix_file: str, tmp_path: Path
) -> None:
    out = tmp_path / "c.json"
    load = ("--rate", 10, "--duration", 1.2, "--warmup", 0, "--every", 0.5, "--command", "exit 3")
    result = reported("chaos", "--url", url, *load, "--mix", mix_file, "--out", out, "--quiet")
    assert result.exit_code in (0, 3), result.output
    faults = json.loads(out.read_text())["faults"]
    assert [fault["result"] for fault in faults] == ["exit 3"] * 2
    assert "exit 3" in result.stdout


@pytest.mark.parametrize(
    ("words", "warnings"),
    [([], "needs a fault"), (["--end-replica", "Character"], "needs the cluster's --ray-address")],
)
def test_chaos_needs_a_fault_and_a_way_to_make_it(url: str, words: list[str], warnings: str) -> None:
    result = reported("chaos", "--url", url, "--rate", 1, *words)
    assert result.exit_code == 2 and warnings in result.output


def test_a_soak_cancels_its_share_and_watches_memory(
    fake_service: FakeService, url: str, mix_file: str, tmp_path: Path
) -> None:
    fake_service.delay_s = 3.0
    out = tmp_path / "s.json"
    load = ("--rate", 15, "--hours", 2 / 3600, "--warmup", 0, "--cancelled", 0.5, "--pid", os.getpid())
    result = reported("soak", "--url", url, *load, "--mix", mix_file, "--out", out, "--quiet")
    assert result.exit_code in (0, 3), result.output
    summary = json.loads(out.read_text())
    assert 0.2 < summary["cancelled"] / summary["requests"] < 0.8
    assert summary["errors"] == {}
    assert summary["memory"]["seen"][0]["bytes"] > 1 << 20


def summary_file(file: Path, scale: float, valid: bool = True) -> Path:
    series: dict[str, Any] = {
        "latency_s": [scale * (1 + number % 7 / 20) for number in range(200)],
        "code": ["ok"] * 200,
        "measured": [True] * 200,
    }
    file.write_text(json.dumps({"valid": valid, "invalid_because": ["late"], "series": series, "config": {}}))
    return file


def test_compare_exits_by_its_verdict(tmp_path: Path) -> None:
    base = summary_file(tmp_path / "a.json", 1.0)
    slower = summary_file(tmp_path / "b.json", 1.5)
    invalid = summary_file(tmp_path / "c.json", 1.0, valid=False)
    worse = reported("compare", base, slower)
    assert worse.exit_code == 1 and "worse" in worse.stdout
    better = reported("compare", slower, base, "--out", tmp_path / "cmp.json")
    assert better.exit_code == 0 and "better" in better.stdout
    assert {figure["verdict"] for figure in json.loads((tmp_path / "cmp.json").read_text())["figures"]} >= {
        "better"
    }
    assert reported("compare", base, invalid).exit_code == 3
    (tmp_path / "no.json").write_text("{}")
    assert reported("compare", base, tmp_path / "no.json").exit_code == 2


@pytest.mark.parametrize("command", ["run", "find", "step", "chaos", "soak", "compare"])
def test_every_command_teaches(command: str) -> None:
    result = reported(command, "--help")
    assert result.exit_code == 0
    assert f"python -m loadtest {command}" in result.stdout
