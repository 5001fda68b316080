"""Run Locust in a separate process: importing it replaces the standard library's sockets."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.fake_service import FakeService

REPOSITORY = Path(__file__).parents[2]
MIX = {"characters": ["a"], "backgrounds": ["b"], "requests": [{"name": "mine", "frame": ["64x64"]}]}


def locust(url: str, tmp_path: Path, mix: object, **more: str) -> subprocess.CompletedProcess[str]:
    (tmp_path / "mix.json").write_text(json.dumps(mix))
    return subprocess.run(
        [
            *(sys.executable, "-m", "locust", "-f", str(REPOSITORY / "loadtest/locustfile.py"), "--headless"),
            *("--users", "2", "--spawn-rate", "2", "--run-time", "2s", "--host", url, "--json"),
        ],
        env={**os.environ, "PYTHONPATH": str(REPOSITORY), "LOADTEST_MIX": str(tmp_path / "mix.json")} | more,
        capture_output=True,
        text=True,
        timeout=100,
        cwd=tmp_path,
    )


def test_locust_sends_the_same_requests(fake_service: FakeService, url: str, tmp_path: Path) -> None:
    done = locust(url, tmp_path, MIX)
    assert done.returncode == 0, done.stderr
    (figures,) = json.loads(done.stdout)
    assert (figures["name"], figures["num_failures"]) == ("mine", 0)
    assert len(fake_service.served) >= figures["num_requests"] > 2
    assert fake_service.served[0].body["merge"] == {"width": 64, "height": 64}


def test_locust_refuses_a_mix_that_it_cannot_send(url: str, tmp_path: Path) -> None:
    done = locust(url, tmp_path, MIX | {"requests": [{"name": "watched", "answer": "stream"}]})
    assert done.returncode != 0
    assert "a mix for Locust cannot have streams" in done.stderr


def test_locust_counts_a_bad_picture_as_a_failure(
    fake_service: FakeService, url: str, tmp_path: Path
) -> None:
    fake_service.picture = lambda size, form: b"not a picture"
    done = locust(url, tmp_path, MIX)
    (figures,) = json.loads(done.stdout)
    assert figures["num_failures"] == figures["num_requests"] > 2
    assert done.returncode == 1


def test_slashes_at_the_end_of_the_address_do_not_count_and_the_key_goes_along(
    fake_service: FakeService, url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SCENEWRIGHT_API_KEY", "k\n")
    done = locust(f"{url}//", tmp_path, MIX)
    assert done.returncode == 0, done.stderr
    assert {(served.path, served.key) for served in fake_service.served} == {("/v1/scenes", "Bearer k")}


@pytest.mark.parametrize(
    ("host", "more"),
    [
        ("http://u:sup3rsecret@127.0.0.1:9", {}),
        ("http://127.0.0.1:9", {"SCENEWRIGHT_API_KEY": "sup3rsecret\nx"}),
        ("http://127.0.0.1:9", {"LOADTEST_SEED": "one"}),
    ],
)
def test_what_keeps_it_from_sending_is_reported_in_a_sentence(
    host: str, more: dict[str, str], tmp_path: Path
) -> None:
    done = locust(host, tmp_path, MIX, **more)
    assert done.returncode != 0
    assert "Traceback" not in done.stderr and "sup3rsecret" not in done.stderr + done.stdout
    assert done.stderr.strip().splitlines()[-1].startswith("locustfile: ")
