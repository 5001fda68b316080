"""Measure Scenewright and three peers on the same models, one after the other, under the same load."""

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
from dataclasses import asdict
from pathlib import Path

import yaml

from bench.peers import peers_page as page
from loadtest.analysis.summary import Window
from loadtest.traffic.record import read

REPOSITORY = Path(__file__).parents[2]
PEERS = REPOSITORY / "bench/peers/servers"
MIX = PEERS / "mix.json"
OURS = ["-m", "serve.cli", "serve", "--config"]
COMPILED = "scenewright, bfloat16, compiled"
BARE = "the bare engines"
SERVERS = {
    "fastapi-diffusers": [str(PEERS / "fastapi_diffusers.py")],
    "litserve": [str(PEERS / "litserve_scenes.py")],
    "ray-tutorial": [str(PEERS / "ray_tutorial.py")],
    "scenewright": [*OURS, "serve/local.yaml", "--port"],
    COMPILED: [*OURS, COMPILED, "--port"],
}
"""The first one is measured first: the rate of the Poisson arrivals is a share of what it can serve."""
LOAD = 0.8
WARM_UP_S = 15.0
READY_S = 900.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--only", action="append", choices=[*SERVERS, BARE], help="run only this server; may be repeated"
    )
    parser.add_argument(
        "--users", type=int, default=8, help="users of the closed loop, which saturates the server"
    )
    parser.add_argument("--saturated", type=float, default=60.0, help="seconds of the closed loop")
    parser.add_argument("--poisson", type=float, default=120.0, help="seconds of Poisson arrivals")
    parser.add_argument(
        "--rate",
        type=float,
        help=f"arrivals per second; by default {LOAD:g} of the first server's saturated rate",
    )
    parser.add_argument("--quick", action="store_true", help="smoke test: one user, one peer, a few seconds")
    parser.add_argument("--json", type=Path, help="also write the figures to this JSON file")
    parser.add_argument("--docs", type=Path, help="also write the tables into this folder's performance.md")
    arguments = parser.parse_args()
    if arguments.quick:
        arguments.users, arguments.saturated, arguments.poisson, arguments.rate = 1, 10.0, 10.0, 0.5
        arguments.only = arguments.only or ["fastapi-diffusers"]
    print(
        f"steps {{4, 8, 20, 20, 30, 50}} of both layers, {arguments.users} users,"
        f" load {os.getloadavg()[0]:.1f}"
    )
    print(
        f"{'':31}saturated/min   steps/s   Poisson/min   mean s    p95 s   p95 s of <= 8   failed", flush=True
    )
    figures: dict[str, page.Figures] = {}
    for name in [name for name in SERVERS if name in (arguments.only or SERVERS)]:
        figures[name] = measured(name, arguments)
        arguments.rate = arguments.rate or LOAD * figures[name].saturated_rps
        print(line(name, figures[name]), flush=True)
    bare = bare_engines(arguments) if not arguments.only or BARE in arguments.only else None
    if bare is not None:
        print(
            f"{BARE:31}{60 * bare['throughput_rps']:13.1f}{bare['steps_s']:10.1f}   one process, no merging"
        )
    if arguments.json:
        reported = {name: asdict(each) for name, each in figures.items()} | {BARE: bare}
        arguments.json.write_text(json.dumps(reported, indent=2) + "\n")
    if arguments.docs:
        page.write(figures, bare, arguments.users, arguments.docs)


def measured(name: str, arguments: argparse.Namespace) -> page.Figures:
    with running(name) as url:
        saturated = loaded(url, arguments.saturated, "--users", str(arguments.users), "--seed", "1")
        rate = arguments.rate or LOAD * saturated.summary["throughput_rps"]
        # A different seed, for different pictures: Scenewright would serve the same ones from its cache.
        poisson = loaded(url, arguments.poisson, "--rate", str(rate), "--seed", "2")
    return page.figures_of(saturated, poisson)


def loaded(url: str, duration_s: float, *load: str) -> page.Run:
    with tempfile.TemporaryDirectory() as folder:
        out, records = Path(folder) / "summary.json", Path(folder) / "records.jsonl"
        command = [sys.executable, "-m", "loadtest", "run", "--url", url, "--mix", str(MIX), "--quiet"]
        window = ["--warmup", str(WARM_UP_S), "--duration", str(duration_s)]
        files = ["--out", str(out), "--records", str(records)]
        done = subprocess.run(
            [*command, *load, *window, *files], cwd=REPOSITORY, capture_output=True, text=True
        )
        if not out.exists():
            raise SystemExit(f"bench: {done.stderr or done.stdout}")
        return page.Run(json.loads(out.read_text()), list(read(records)), Window(WARM_UP_S, duration_s))


def bare_engines(arguments: argparse.Namespace) -> dict[str, float]:
    load = [str(MIX), str(arguments.users), str(WARM_UP_S), str(arguments.saturated)]
    command = [sys.executable, str(PEERS / "bare_engines.py"), *load]
    done = subprocess.run(command, cwd=REPOSITORY, env=environment(), capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"bench: {done.stderr}")
    figures: dict[str, float] = json.loads(done.stdout)
    return figures


def environment() -> dict[str, str]:
    """Return the environment, which gives every server one thread per model, as in serve/local.yaml."""
    path = os.pathsep.join([str(REPOSITORY), *sys.path[1:]])
    return {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": path}


@contextmanager
def running(name: str) -> Iterator[str]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with tempfile.TemporaryDirectory() as folder:
        words = [str(compiled(Path(folder))) if word == COMPILED else word for word in SERVERS[name]]
        command = [sys.executable, *words, str(port)]
        # A new session, to end them all: LitServe leaves its workers behind when it is stopped.
        server = subprocess.Popen(command, cwd=REPOSITORY, env=environment(), start_new_session=True)
        try:
            url = f"http://127.0.0.1:{port}"
            _wait(server, f"{url}/readyz" if name.startswith("scenewright") else f"{url}/healthz")
            yield url
        finally:
            server.send_signal(signal.SIGTERM)
            with suppress(subprocess.TimeoutExpired):
                server.wait(60)
            with suppress(ProcessLookupError):
                os.killpg(server.pid, signal.SIGKILL)


def compiled(folder: Path) -> Path:
    """Write a copy of serve/local.yaml with compiled models in bfloat16. Return its path."""
    content = yaml.safe_load((REPOSITORY / "serve/local.yaml").read_text())
    for kind in ("character", "background"):
        generator = content["applications"][0]["args"][kind]["generator"]
        generator["model"] |= {"dtype": "bfloat16", "compile": True}
        generator["generation"] = {"max_rows": 4}  # Every number of rows costs a compilation.
    file = folder / "compiled.yaml"
    file.write_text(yaml.safe_dump(content))
    return file


def _wait(server: subprocess.Popen[bytes], url: str) -> None:
    deadline = time.monotonic() + READY_S
    while time.monotonic() < deadline and server.poll() is None:
        try:
            with urllib.request.urlopen(url, timeout=5):  # noqa: S310 (loopback)
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.5)
    raise SystemExit(f"bench: the server did not become ready: {url}")


def line(name: str, each: page.Figures) -> str:
    times = "".join(
        f"{'-' if it is None else f'{it:.2f}':>{width}}"
        for it, width in ((each.mean_s, 9), (each.p95_s, 9), (each.short_p95_s, 16))
    )
    return (
        f"{name:31}{60 * each.saturated_rps:13.1f}{each.saturated_steps_s:10.1f}{60 * each.offered_rps:14.1f}"
        f"{times}{each.failed:9}" + "".join(f"   {reported}" for reported in each.reported)
    )


if __name__ == "__main__":
    main()
