"""In a process of its own: Locust replaces the standard library's sockets under whoever imports it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from .stand_in import StandIn

REPOSITORY = Path(__file__).parents[2]
MIX = {"characters": ["a"], "backgrounds": ["b"], "requests": [{"name": "mine", "frame": ["64x64"]}]}


def locust(url: str, tmp_path: Path, mix: object) -> subprocess.CompletedProcess[str]:
    (tmp_path / "mix.json").write_text(json.dumps(mix))
    return subprocess.run(
        [
            *(sys.executable, "-m", "locust", "-f", str(REPOSITORY / "loadtest/locustfile.py"), "--headless"),
            *("--users", "2", "--spawn-rate", "2", "--run-time", "2s", "--host", url, "--json"),
        ],
        env={**os.environ, "PYTHONPATH": str(REPOSITORY), "LOADTEST_MIX": str(tmp_path / "mix.json")},
        capture_output=True,
        text=True,
        timeout=100,
        cwd=tmp_path,
    )


def test_locust_sends_the_same_requests(stand_in: StandIn, url: str, tmp_path: Path) -> None:
    done = locust(url, tmp_path, MIX)
    assert done.returncode == 0, done.stderr
    (figures,) = json.loads(done.stdout)
    assert (figures["name"], figures["num_failures"]) == ("mine", 0)
    assert len(stand_in.served) >= figures["num_requests"] > 2
    assert stand_in.served[0].body["merge"] == {"width": 64, "height": 64}


def test_locust_refuses_a_mix_that_it_cannot_send(url: str, tmp_path: Path) -> None:
    done = locust(url, tmp_path, MIX | {"requests": [{"name": "watched", "answer": "stream"}]})
    assert done.returncode != 0
    assert "under Locust a mix has no streams" in done.stderr


def test_locust_counts_a_bad_picture_as_a_failure(stand_in: StandIn, url: str, tmp_path: Path) -> None:
    stand_in.picture = lambda size, form: b"no picture"
    done = locust(url, tmp_path, MIX)
    (figures,) = json.loads(done.stdout)
    assert figures["num_failures"] == figures["num_requests"] > 2
    assert done.returncode == 1
