"""Run one side of the comparison: a service of one checkout, the bodies sent to it, and the delays seen."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from bench.stalls.probe import FOLDER, SITECUSTOMIZE, Delay, read_reports

REPOSITORY = Path(__file__).parents[2]
AT_ONCE = 4
STARTS_WITHIN_S = 300.0
ENDS_WITHIN_S = 90.0


@dataclass(frozen=True, kw_only=True)
class Seen:
    """Results for one kind of body: how long health checks took (seconds), and how late the loops were.

    `idle` is from a loop in an idle process: the delays that the machine alone causes.
    """

    statuses: Counter[int]
    health_s: list[float]
    ingress: list[Delay]
    proxy: list[Delay]
    idle: list[Delay]


@contextmanager
def service(checkout: Path) -> Iterator[tuple[str, Path]]:
    """Serve the checkout's simulated generators with probes. Yield the address and the reports' folder."""
    with tempfile.TemporaryDirectory(prefix="stalls-") as name:
        folder = Path(name)
        (folder / "reports").mkdir()
        (folder / "sitecustomize.py").write_text(SITECUSTOMIZE)
        (folder / "bench").symlink_to(REPOSITORY / "bench")
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        command = [sys.executable, "-m", "serve.cli", "serve", "--config", "serve/simulated.yaml"]
        process = subprocess.Popen(
            [*command, "--port", str(port)],
            cwd=checkout,
            env=os.environ
            | {
                "PYTHONPATH": f"{folder}:{checkout}",
                "SCENEWRIGHT_STATE_DIR": f"{folder}/state",
                "SCENEWRIGHT_FORK_WORKERS": "0",  # A fork has no thread of a probe.
                FOLDER: f"{folder}/reports",
            },
            stdout=sys.stderr,
        )
        url = f"http://127.0.0.1:{port}"
        idle = subprocess.Popen(
            [sys.executable, "-m", "bench.stalls.probe"],
            cwd=REPOSITORY,
            env=os.environ | {FOLDER: f"{folder}/reports"},
        )
        try:
            wait_until_ready(url, process)
            yield url, folder / "reports"
        finally:
            idle.terminate()
            idle.wait(ENDS_WITHIN_S)
            process.terminate()
            process.wait(ENDS_WITHIN_S)


def wait_until_ready(url: str, process: subprocess.Popen[bytes]) -> None:
    """Raise RuntimeError if the service ends or is not ready in time."""
    ends = time.monotonic() + STARTS_WITHIN_S
    while time.monotonic() < ends and process.poll() is None:
        try:
            if httpx.get(f"{url}/readyz", timeout=5, trust_env=False).status_code == 200:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.2)
    raise RuntimeError("the service did not start")


def request(url: str, reports: Path, body: bytes | None, rest_s: float = 5.0) -> Seen:
    """Send `body` four times at once, and poll the health check meanwhile. With None only poll."""
    ended = threading.Event()
    with ThreadPoolExecutor(AT_ONCE + 1) as pool:
        since = time.monotonic()
        health = pool.submit(poll_health, url, ended)
        if body is None:
            ended.wait(rest_s)
            statuses: Counter[int] = Counter()
        else:
            statuses = Counter(pool.map(lambda _: post(url, body), range(AT_ONCE)))
        ended.set()
        took = health.result()
    until = time.monotonic()
    return Seen(
        statuses=statuses,
        health_s=took,
        ingress=read_reports(reports, "ingress", since, until),
        proxy=read_reports(reports, "proxy", since, until),
        idle=read_reports(reports, "idle", since, until),
    )


def post(url: str, body: bytes) -> int:
    headers = {"Content-Type": "application/json"}
    return httpx.post(
        f"{url}/v1/jobs", content=body, headers=headers, timeout=180, trust_env=False
    ).status_code


def poll_health(url: str, ended: threading.Event) -> list[float]:
    took = []
    with httpx.Client(base_url=url, timeout=180, trust_env=False) as client:
        while not ended.is_set():
            begun = time.monotonic()
            client.get("/healthz")
            took.append(time.monotonic() - begun)
            ended.wait(0.01)
    return took
