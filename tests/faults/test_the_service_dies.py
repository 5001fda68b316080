"""`scenewright serve` when Ray's processes die, and Ray's processes when `scenewright serve` dies."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import httpx
import psutil
import pytest

from serve.runtime.listen_address import free_port
from tests.support.drill_row import Row
from tests.support.drilled_service import scene
from tests.support.own_process import REPOSITORY, gone, served, wait_until_ready
from tests.support.polling import until

CONFIG = REPOSITORY / "serve/simulated.yaml"
LONGEST_END_S = 30.0
LONGEST_LEFT_S = 15.0
LONGEST_DEAF_S = 5.0

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1_000)]


def is_free(port: int) -> bool:
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def listens(port: int) -> bool:
    """Return whether it accepts connections; binding the port instead would take it from the new HAProxy."""
    try:
        socket.create_connection(("127.0.0.1", port), timeout=5).close()
    except OSError:
        return False
    return True


@pytest.mark.parametrize(("process", "name"), [("raylet", "node"), ("gcs_server", "control service")])
def test_ray_dies_under_the_service(tmp_path: Path, row: Row, process: str, name: str) -> None:
    row.promises(
        f"Ray's {name} ({process}) killed under `scenewright serve`",
        f"it ends non-zero within {LONGEST_END_S:.0f} s with a sentence; nothing of its own is left",
    )
    with served(tmp_path, CONFIG) as service:
        wait_until_ready(service)
        processes = service.tree()
        victim = next(each for each in processes if each.name() == process)
        victim.kill()
        killed = time.monotonic()
        code = service.process.wait(LONGEST_END_S)
        took_s = time.monotonic() - killed
        said = service.out.read_text()
        assert code not in (0, None), said
        assert f"Error: Ray's {name} ended" in said
        until(lambda: gone(processes), timeout_s=LONGEST_LEFT_S)
        assert is_free(service.port)
    row.saw(f"exit {code} after {took_s:.1f} s, with the sentence")


@pytest.mark.parametrize("mode", ["Serve's proxies", "HAProxy"])
def test_the_service_itself_is_killed(tmp_path: Path, row: Row, mode: str) -> None:
    row.promises(
        f"`scenewright serve` killed (SIGKILL) with a job half done, behind {mode}",
        f"no process of its own after {LONGEST_LEFT_S:.0f} s, the port free; a new start ends the job",
    )
    settings = haproxy_settings() if mode == "HAProxy" else {}
    with served(tmp_path, CONFIG, settings=settings) as service:
        wait_until_ready(service)
        requested = httpx.post(
            f"{service.url}/v1/jobs",
            json={"scenes": [scene(steps=30, seed=n) for n in range(12)]},
            trust_env=False,
        )
        assert requested.status_code == 202, requested.text
        job = f"/v1/jobs/{requested.json()['id']}"
        until(lambda: (reported := service.response(job)) is not None and reported.json()["done"] > 0)
        processes = service.tree()
        assert any(each.name() == "haproxy" for each in processes) == (mode == "HAProxy")
        service.process.kill()
        killed = time.monotonic()
        until(lambda: gone(processes), timeout_s=LONGEST_LEFT_S)
        left_s = time.monotonic() - killed
        assert is_free(service.port)
    with served(tmp_path, CONFIG, service.port, settings) as again:
        wait_until_ready(again)
        until(
            lambda: (
                (reported := again.response(job)) is not None and reported.json()["status"] == "succeeded"
            ),
            timeout_s=120,
        )
    row.saw(f"the last process ended {left_s:.1f} s after, and the port was free; the job succeeded")


def test_haproxy_is_killed(tmp_path: Path, row: Row) -> None:
    row.promises(
        "HAProxy killed",
        f"the port is listened on again within {LONGEST_DEAF_S:.0f} s; a scene returned, and 503 until then",
    )
    with served(tmp_path, CONFIG, settings=haproxy_settings()) as service:
        wait_until_ready(service)  # its last start-up checks may still run, and tolerate the kill
        killed = [each for each in service.tree() if each.name() == "haproxy"]
        assert killed
        for each in killed:
            each.kill()
        begun = time.monotonic()
        until(lambda: gone(killed), timeout_s=LONGEST_LEFT_S)
        until(lambda: listens(service.port), timeout_s=LONGEST_DEAF_S)
        listens_s = time.monotonic() - begun
        with httpx.Client(base_url=service.url, timeout=60, trust_env=False) as client:
            answers = list(answers_until_painted(client))
            took_s = time.monotonic() - begun
            # For a moment it listens but does not know a route yet.
            assert {(each.status_code, "retry-after" in each.headers) for each in answers} <= {(503, True)}
            # The limits apply again, too.
            assert client.get("/healthz", headers={"x-a": "a" * 70_000}).status_code == 431
        until(lambda: "ready in" in service.out.read_text())
    row.saw(
        f"none listened for {listens_s:.1f} s; 503 `not_ready` with Retry-After until it knew its routes;"
        f" a scene 200 after {took_s:.1f} s"
        if answers
        else f"none listened for {listens_s:.1f} s; a scene 200 after {took_s:.1f} s"
    )


def answers_until_painted(client: httpx.Client) -> Iterator[httpx.Response]:
    """Yield every response before a scene's 200, which must come in time."""
    deadline = time.monotonic() + LONGEST_DEAF_S
    while (response := client.post("/v1/scenes", json=scene())).status_code != 200:
        yield response
        assert time.monotonic() < deadline, response.text


@pytest.mark.parametrize(("process", "name"), [("gcs_server", "control service"), ("raylet", "node")])
def test_the_service_is_killed_while_ray_starts(tmp_path: Path, row: Row, process: str, name: str) -> None:
    row.promises(
        f"`scenewright serve` killed (SIGKILL) as Ray's {name} ({process}) starts",
        f"no process and no folder of its Ray after {LONGEST_LEFT_S:.0f} s",
    )
    with served(tmp_path, CONFIG) as service:
        # A new process shows no environment for a moment.
        rays = until(
            lambda: next(
                (each.environ().get("RAY_TMPDIR") for each in service.tree() if named(each) == process), None
            )
        )
        service.process.kill()
        killed = time.monotonic()
        until(lambda: not of_ray(rays) and not Path(rays).parent.exists(), timeout_s=LONGEST_LEFT_S)
        left_s = time.monotonic() - killed
        assert is_free(service.port)
    row.saw(f"gone {left_s:.1f} s after")


def named(process: psutil.Process) -> str:
    with suppress(psutil.Error):
        return process.name()
    return ""


def of_ray(rays: str) -> list[psutil.Process]:
    """Return the processes of that Ray by their environment, which they have not overwritten yet."""
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            if process.environ().get("RAY_TMPDIR") == rays:
                found.append(process)
    return found


def haproxy_settings() -> dict[str, str]:
    ports = (
        "RAY_SERVE_HAPROXY_STATS_PORT",
        "RAY_SERVE_HAPROXY_METRICS_PORT",
        "RAY_SERVE_FALLBACK_PROXY_HTTP_PORT",
    )
    return {"RAY_SERVE_ENABLE_HA_PROXY": "1"} | {name: str(free_port()) for name in ports}
