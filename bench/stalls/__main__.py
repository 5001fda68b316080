"""Measure stalls of the edge's event loops under hard-to-read bodies of up to 8 MB, on a real Ray."""

from __future__ import annotations

import argparse
import importlib.metadata
import os
import platform
import statistics
import subprocess
from collections.abc import Iterable, Sequence
from pathlib import Path

from bench.stalls.bodies import BODIES, MB
from bench.stalls.side import REPOSITORY, Seen, request, service

TITLES = (
    *("side", "body", "responses", "/healthz p50 ms", "max ms"),
    *("ingress loop late, max ms", "by its own process at most, ms", "over 20 ms"),
    *("proxy loop late, max ms", "by its own process at most, ms"),
    "idle loop late, max ms",
)
STALL_S = 0.02
WARM_UP_S = 10.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--before", type=Path, help="a checkout of an earlier commit, measured first")
    parser.add_argument(
        "--body", choices=list(BODIES), action="append", help="bodies to send; all by default"
    )
    arguments = parser.parse_args()
    sides = {"before": arguments.before.resolve()} if arguments.before else {}
    print(machine())
    for side, checkout in {**sides, "after": REPOSITORY}.items():
        print(f"{side}: {commit(checkout)}", flush=True)
    print(row(TITLES))
    print(row(["---"] * len(TITLES)))
    for side, checkout in {**sides, "after": REPOSITORY}.items():
        with service(checkout) as (url, reports):
            request(url, reports, None, WARM_UP_S)  # The first requests import modules and allocate memory.
            print(row(cells(side, "none", request(url, reports, None))), flush=True)
            for name in arguments.body or BODIES:
                body = BODIES[name]()
                reported = f"4 x {len(body) / MB:.1f} MB of {name}"
                print(row(cells(side, reported, request(url, reports, body))), flush=True)


def machine() -> str:
    """Describe the machine and versions, on which these figures depend."""
    versions = ", ".join(
        f"{name} {importlib.metadata.version(name)}" for name in ("ray", "uvicorn", "starlette")
    )
    load = os.getloadavg()[0]
    python = platform.python_version()
    return f"{platform.machine()}, {os.cpu_count()} cores, load {load:.1f}; Python {python}, {versions}"


def commit(checkout: Path) -> str:
    command = ["git", "-C", str(checkout), "describe", "--always", "--dirty"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def cells(side: str, body: str, seen: Seen) -> list[str]:
    """Return one row of the table."""
    responses = ", ".join(f"{count} x {status}" for status, count in sorted(seen.statuses.items()))
    return [
        side,
        body,
        responses or "-",
        f"{1e3 * statistics.median(seen.health_s):.0f}",
        f"{1e3 * max(seen.health_s):.0f}",
        longest(delay.late_s for delay in seen.ingress),
        longest(delay.own_s for delay in seen.ingress),
        str(sum(delay.own_s > STALL_S for delay in seen.ingress)),
        longest(delay.late_s for delay in seen.proxy),
        longest(delay.own_s for delay in seen.proxy),
        longest(delay.late_s for delay in seen.idle),
    ]


def longest(seconds: Iterable[float]) -> str:
    return f"{1e3 * max(seconds, default=0.0):.0f}"


def row(values: Sequence[str]) -> str:
    return f"| {' | '.join(values)} |"


if __name__ == "__main__":
    main()
