"""A book, while the service and the replicas that paint its pages are killed repeatedly."""

from __future__ import annotations

import io
import random
import zipfile
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
import yaml

from tests.support.drill_row import Row
from tests.support.own_process import REPOSITORY, Served, gone, served, wait_until_ready
from tests.support.polling import until
from tests.support.running_service import replica

PAGES = 40
LAST_KILL = 0.7
"""The share of the pages by which all kills have happened, so that the book is still being painted."""
SERVICE = "the service"
KILLS = {SERVICE: 2, "JobWorker": 6, "Character": 5, "Background": 5, "Merger": 2}
LAYER: dict[str, Any] = {"num_inference_steps": 6, "width": 64, "height": 64}
REPAINT = {"background": LAYER | {"prompt": "another place"}, "seed": 1}
UNDER_WAY = ("queued", "running")

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1_500)]


class KilledService:
    """A `scenewright serve` that is restarted with the same state and port after each kill."""

    def __init__(self, folder: Path, leaving: ExitStack) -> None:
        self._folder, self._leaving = folder, leaving
        self._config = folder / "serve.yaml"
        self._config.write_text(yaml.safe_dump(config()))
        self._running: Served | None = None
        self.start()

    def start(self) -> None:
        port = None if self._running is None else self._running.port
        self._running = self._leaving.enter_context(served(self._folder, self._config, port))
        wait_until_ready(self._running)
        self.http = self._leaving.enter_context(
            httpx.Client(base_url=self._running.url, timeout=90, trust_env=False)
        )

    def kill(self, victim: str) -> bool:
        """Send SIGKILL to the service or to a replica. Return False if no such process runs at the moment."""
        assert self._running is not None
        if victim == SERVICE:
            processes = self._running.tree()
            self._running.process.kill()
            until(lambda: gone(processes), timeout_s=60)
            self.start()
            return True
        process = replica(victim, self._running.process.pid)
        if process is not None:
            with suppress(psutil.NoSuchProcess):
                process.kill()
                return True
        return False


@pytest.fixture
def service(tmp_path: Path) -> Iterator[KilledService]:
    with ExitStack() as leaving:
        yield KilledService(tmp_path, leaving)


def test_twenty_kills_in_the_middle_of_a_book(service: KilledService, row: Row) -> None:
    """Repaint a page meanwhile. Afterwards paint the same book without kills, and compare both."""
    row.promises(
        f"`scenewright serve`, the worker, a generator or the merger killed {sum(KILLS.values())} times in a"
        f" book of {PAGES} pages",
        "every page is there once, none is lost, with the pictures that it would have had",
    )
    victims = list(Counter(KILLS).elements())
    random.Random(7).shuffle(victims)
    address, killed, seen, repainted = submitted(service), 0, 0, False
    while (found := looked_up(service, address))["status"] in UNDER_WAY:
        assert found["done"] >= seen, "finished pages stay finished"
        seen = found["done"]
        at_work = any(page["status"] == "running" for page in found["pages"])
        if killed < len(victims) and at_work and seen >= LAST_KILL * PAGES * killed // len(victims):
            killed += service.kill(victims[killed])
        if not repainted and seen > PAGES // 2:
            repaint(service, address)
            repainted, seen = True, seen - 1  # its first page is no longer done
    assert (killed, repainted) == (len(victims), True)
    assert (found["status"], found["done"], found["failed"]) == ("succeeded", PAGES, 0), found
    assert [page["index"] for page in found["pages"]] == list(range(PAGES))
    until(lambda: service.http.get("/readyz").status_code == 200)

    undisturbed = submitted(service)
    ended(service, undisturbed)
    repaint(service, undisturbed)
    ended(service, undisturbed)
    files, expected = (files_of(service, each) for each in (address, undisturbed))
    pictures = [name for name in files if name.startswith("page-") and "/" not in name]
    assert len(pictures) == len({files[name] for name in pictures}) == PAGES, "no two pages are alike"
    assert files == expected
    times = ", ".join(f"{name} {number}" for name, number in KILLS.items())
    row.saw(f"{PAGES} of {PAGES} pages and all their layers as without it, byte for byte; killed: {times}")


def config() -> dict[str, Any]:
    document: dict[str, Any] = yaml.safe_load((REPOSITORY / "serve/simulated.yaml").read_text())
    arguments = document["applications"][0]["args"]
    for kind in ("character", "background"):
        arguments[kind]["generator"]["generation"] = {"result_cache_bytes": 0}  # every page is painted
    arguments["jobs"] = {"lease_s": 2, "poll_s": 0.1}
    return document


def story() -> dict[str, Any]:
    """Return a story whose pages all have different places, so that no two pictures are equal."""
    return {
        "title": "Mira",
        "cast": {"mira": {"description": "a girl", "seed": 3}},
        "pages": [
            {
                "text": f"Page {number}.",
                "characters": [{"cast": "mira", "prompt": "walking", **LAYER}],
                "background": LAYER | {"prompt": f"place {number}"},
            }
            for number in range(PAGES)
        ],
        "seed": 7,
        "frame": {"width": 128, "height": 64},
        "output": {"format": "png"},
    }


def submitted(service: KilledService) -> str:
    response = service.http.post("/v1/stories", json=story())
    assert response.status_code == 202, response.text
    return f"/v1/stories/{response.json()['id']}"


def looked_up(service: KilledService, address: str) -> dict[str, Any]:
    response = service.http.get(address)
    assert response.status_code == 200, response.text
    found: dict[str, Any] = response.json()
    return found


def repaint(service: KilledService, address: str) -> None:
    response = service.http.post(f"{address}/pages/0/repaint", json=REPAINT)
    assert response.status_code == 202, response.text


def ended(service: KilledService, address: str) -> None:
    until(lambda: looked_up(service, address)["status"] == "succeeded")


def files_of(service: KilledService, address: str) -> dict[str, bytes]:
    """Return the files of a story's ZIP: its pictures, their layers, and the request with all its texts."""
    response = service.http.get(f"{address}/book.zip")
    assert response.status_code == 200, response.text
    with zipfile.ZipFile(io.BytesIO(response.content)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}
