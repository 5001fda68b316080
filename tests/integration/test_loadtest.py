"""The load generator with the real service: it watches replicas and ends some; no request is lost."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import ray

from serve.runtime import local_cluster
from serve.runtime.listen_address import free_port
from tests.support.running_service import REPOSITORY, simulated_config

MIX = {
    "characters": ["a knight"],
    "backgrounds": ["a castle"],
    "requests": [{"name": "scene", "steps": [2], "frame": ["256x128"]}],
}


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    config = simulated_config()
    data = config.model_dump()
    for part in (data["character"]["replicas"], data["background"]["replicas"], data["merger"]):
        part["num_replicas"] = 2
    doubled = type(config).model_validate(data)
    with local_cluster.running(doubled, "127.0.0.1", free_port()) as address:
        yield address


def loadtest(tmp_path: Path, url: str, command: str, *words: str) -> tuple[int, dict[str, Any]]:
    (tmp_path / "mix.json").write_text(json.dumps(MIX))
    out = tmp_path / "out.json"
    cluster = ray.get_runtime_context().gcs_address
    common = ("--url", url, "--mix", str(tmp_path / "mix.json"), "--ray-address", cluster, "--out", str(out))
    done = subprocess.run(
        [sys.executable, "-m", "loadtest", command, *common, *words],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        timeout=110,
    )
    assert out.exists(), done.stdout + done.stderr
    return done.returncode, json.loads(out.read_text())


@pytest.mark.slow
def test_chaos_ends_replicas_and_no_caller_is_lost(url: str, tmp_path: Path) -> None:
    faults = ("--every", "5", "--end-replica", "Character", "--end-replica", "Background")
    code, summary = loadtest(tmp_path, url, "chaos", "--rate", "1.5", "--duration", "10", *faults)
    assert code in (0, 3)
    assert [
        fault["result"].startswith("ended SERVE_REPLICA::scenewright#") for fault in summary["faults"]
    ] == [
        True,
        True,
    ]
    assert summary["errors"] == {}
    assert summary["ok"] == summary["requests"] > 5
    seen = summary["replicas"]
    assert {"Character", "Background", "Merger", "Ingress"} <= set(seen[0]["replicas"])
    assert min(sum(each["replicas"].values()) for each in seen) < max(
        sum(each["replicas"].values()) for each in seen
    )
    assert any("simulated" in warning for warning in summary["warnings"])
