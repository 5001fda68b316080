"""Scenewright and three peers on the same bundled models, one after the other, under the same load."""

from __future__ import annotations

import argparse
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))  # bench/ is not installed.

from bench.pages import peers as peers_page

REPOSITORY = Path(__file__).parents[1]
PEERS = REPOSITORY / "bench/peers"
SERVERS = {
    "scenewright": ["-m", "serve.cli", "serve", "--config", "serve/local.yaml", "--port"],
    "ray-tutorial": [str(PEERS / "ray_tutorial.py")],
    "fastapi-diffusers": [str(PEERS / "fastapi_diffusers.py")],
    "litserve": [str(PEERS / "litserve_scenes.py")],
}
READY_S = 600.0


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__,
        epilog="What follows -- goes to `python -m loadtest run`, as in: -- --users 4 --duration 120",
    )
    parser.add_argument("--only", action="append", choices=SERVERS, help="may be given again")
    parser.add_argument("--steps", type=int, default=20, help="denoising steps of each layer")
    parser.add_argument("--out", type=Path, help="a folder for the summaries and reports")
    parser.add_argument("--docs", type=Path, help="also write the table into performance.md in this folder")
    parser.add_argument(
        "load", nargs="*", help="after --: how to load them; one user for a minute where not given"
    )
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = asked.out or Path(scratch)
        folder.mkdir(exist_ok=True)
        mix = _mix_of(asked.steps, folder)
        load = asked.load or ["--users", "1", "--duration", "60", "--warmup", "10"]
        print(
            f"{'':20}{'ok':>6}{'failed':>8}{'scenes/min':>12}{'p50 s':>9}{'p95 s':>9}"
            f"   steps {asked.steps}: {' '.join(load)}"
        )
        summaries = {}
        for name in asked.only or SERVERS:
            if name == "litserve" and find_spec("litserve") is None:
                print(f"{name:20}not installed: pip install litserve")
                continue
            with _running(name) as url:
                summaries[name] = _measured(name, url, mix, folder, load)
                print(_line(name, summaries[name]), flush=True)
    if asked.docs:
        peers_page.write(summaries, load, asked.steps, asked.docs)


def _mix_of(steps: int, folder: Path) -> Path:
    mix = json.loads((PEERS / "mix.json").read_text())
    mix["requests"][0]["steps"] = [steps]
    file = folder / "mix.json"
    file.write_text(json.dumps(mix))
    return file


@contextmanager
def _running(name: str) -> Iterator[str]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    # OMP_NUM_THREADS: every server has one thread a model, as serve/local.yaml has.
    environment = {
        **os.environ,
        "OMP_NUM_THREADS": "1",
        "PYTHONPATH": os.pathsep.join([str(REPOSITORY), *sys.path[1:]]),
    }
    command = [sys.executable, *SERVERS[name], str(port)]
    # A session of its own: LitServe leaves its workers behind when it is told to stop.
    server = subprocess.Popen(command, cwd=REPOSITORY, env=environment, start_new_session=True)
    try:
        url = f"http://127.0.0.1:{port}"
        _wait(server, f"{url}/readyz" if name == "scenewright" else f"{url}/healthz")
        yield url
    finally:
        server.send_signal(signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            server.wait(60)
        with suppress(ProcessLookupError):
            os.killpg(server.pid, signal.SIGKILL)


def _wait(server: subprocess.Popen[bytes], url: str) -> None:
    deadline = time.monotonic() + READY_S
    while time.monotonic() < deadline and server.poll() is None:
        try:
            with urllib.request.urlopen(url, timeout=5):  # noqa: S310 (loopback)
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.5)
    raise SystemExit(f"bench: the server did not get ready: {url}")


def _measured(name: str, url: str, mix: Path, folder: Path, load: list[str]) -> dict[str, Any]:
    out = folder / f"{name}.json"
    command = [sys.executable, "-m", "loadtest", "run", "--url", url, "--mix", str(mix), *load]
    files = ["--out", str(out), "--html", str(folder / f"{name}.html")]
    done = subprocess.run([*command, *files, "--quiet"], cwd=REPOSITORY, capture_output=True, text=True)
    if not out.exists():
        raise SystemExit(f"bench: {done.stderr or done.stdout}")
    summary: dict[str, Any] = json.loads(out.read_text())
    return summary


def _line(name: str, summary: dict[str, Any]) -> str:
    latency = summary["latency_s"] or {}
    times = "".join(f"{latency.get(at, float('nan')):9.2f}" for at in ("p50", "p95"))
    failed = sum(summary["errors"].values())
    verdict = "" if summary["valid"] else "   INVALID: " + "; ".join(summary["invalid_because"])
    return f"{name:20}{summary['ok']:6}{failed:8}{60 * summary['throughput_rps']:12.1f}{times}{verdict}"


if __name__ == "__main__":
    main()
