"""A full disk: jobs are refused instead of accepted, and nothing that was accepted is lost."""

from __future__ import annotations

import errno
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import fsspec
import httpx
import pytest
from fsspec.implementations.memory import MemoryFileSystem
from sqlalchemy import Engine, event

from serve.auth.key_store import open_keys
from serve.config.service_config import ServiceConfig
from serve.graph.scene import Graph
from serve.ingress import build_http
from serve.state import open_state
from serve.state.database import open_database
from serve.state.disk_space import DiskSpace
from tests.support.drill_row import Row
from tests.support.job_requests import ended, submit, working
from tests.support.local_service import config, graph, served
from tests.support.polling import eventually

__all__ = ["config", "graph"]

SCENE = {"character": "a", "background": "b", "seed": 42, "merge": {"width": 256, "height": 128}}


class Shelf(MemoryFileSystem):  # type: ignore[misc]
    """Pictures in memory, on a disk that is full while `full` is set."""

    protocol = "shelf"
    full = False
    refused = 0

    def pipe_file(self, path: str, value: bytes, mode: str = "overwrite", **options: Any) -> None:
        if Shelf.full:
            Shelf.refused += 1
            raise OSError(errno.ENOSPC, "No space left on device")
        super().pipe_file(path, value, mode, **options)


def client_of(config: ServiceConfig, graph: Graph) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(served(build_http(config, graph)), raise_app_exceptions=True)
    return httpx.AsyncClient(transport=transport, base_url="http://localhost")


async def test_no_room_for_the_database(
    config: ServiceConfig, graph: Graph, tmp_path: Path, row: Row, monkeypatch: pytest.MonkeyPatch
) -> None:
    row.promises(
        "no room for the database of jobs",
        "jobs are refused with 507 before they are accepted; accepted ones stay, scenes are painted",
    )
    engines: list[Engine] = []

    def small(url: str) -> Engine:
        engine = open_database(url)
        event.listen(engine, "begin", hold)
        engines.append(engine)
        return engine

    def hold(connection: Any) -> None:
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar_one()
        # SQLite's own limit for a file: beyond it, SQLite reports the same error as for a full disk.
        connection.exec_driver_sql(f"PRAGMA max_page_count = {pages if full else 1 << 30}")

    full: list[bool] = []
    monkeypatch.setattr(open_state, "open_database", small)
    async with client_of(config.model_copy(update={"state_dir": str(tmp_path)}), graph) as http:
        accepted = await submit(http, SCENE)
        full.append(True)
        big = {"scenes": [SCENE | {"character": "a" * 1_500}] * 50}
        refused = await http.post("/v1/jobs", json=big)
        assert (refused.status_code, refused.json()["error"]["code"]) == (507, "insufficient_storage")
        assert [job["id"] for job in (await http.get("/v1/jobs")).json()["data"]] == [accepted]
        assert (await http.post("/v1/scenes", json=SCENE)).status_code == 200
        full.clear()
        assert (await http.post("/v1/jobs", json=big)).status_code == 202
    for engine in engines:
        engine.dispose()
    row.saw("507 `insufficient_storage`, the job before it still there, a scene 200; 202 once there was room")


async def test_no_room_for_the_pictures_of_jobs(
    config: ServiceConfig, graph: Graph, tmp_path: Path, row: Row, monkeypatch: pytest.MonkeyPatch
) -> None:
    row.promises(
        "no room for a job's picture when it is painted", "its scene waits, and is kept once there is room"
    )
    monkeypatch.setattr("serve.jobs.scene_painting.RETRY_S", 0.01)
    monkeypatch.setattr(Shelf, "full", True)
    monkeypatch.setattr(Shelf, "refused", 0)
    fsspec.register_implementation("shelf", Shelf, clobber=True)
    jobs = replace(config.jobs, poll_s=0.02, pictures="shelf://pictures")
    mine = config.model_copy(update={"state_dir": str(tmp_path), "jobs": jobs})
    async with client_of(mine, graph) as http, working(mine, graph):
        job_id = await submit(http, SCENE)

        async def refused_often() -> bool:
            return Shelf.refused > mine.jobs.max_attempts

        await eventually(refused_often)
        assert (await http.get(f"/v1/jobs/{job_id}")).json()["status"] != "failed"
        monkeypatch.setattr(Shelf, "full", False)
        job = await ended(http, job_id)
        kept = await http.get(f"/v1/jobs/{job_id}/scenes/0")
        painted = await http.post("/v1/scenes", json=SCENE)
    assert job["status"] == "succeeded"
    assert kept.content == painted.content
    row.saw(f"refused {Shelf.refused} times, then kept: the same picture")


async def test_kept_pictures_that_rot(config: ServiceConfig, graph: Graph, tmp_path: Path, row: Row) -> None:
    row.promises(
        "kept pictures of a job emptied, cut short, changed by a bit, and lost",
        "never 200: painted again from the job's words and seeds, 503 with Retry-After until then; "
        "after three times 410 `gone`",
    )
    jobs = replace(config.jobs, poll_s=0.02)
    mine = config.model_copy(update={"state_dir": str(tmp_path), "jobs": jobs})
    spoils: list[Callable[[Path], Any]] = [
        lambda file: file.write_bytes(b""),
        lambda file: file.write_bytes(file.read_bytes()[:-1]),
        lambda file: file.write_bytes(bytes([file.read_bytes()[0] ^ 1]) + file.read_bytes()[1:]),
        lambda file: file.unlink(),
    ]
    seen = []
    async with client_of(mine, graph) as http, working(mine, graph):
        for spoil in spoils:
            job_id = await submit(http, SCENE)
            await ended(http, job_id)
            address = f"/v1/jobs/{job_id}/scenes/0"
            first = await http.get(address)
            file = next((tmp_path / "pictures").rglob(first.headers["etag"].strip('"')))
            spoil(file)
            response = await http.get(address)
            assert (response.status_code, response.json()["error"]["code"]) == (503, "not_ready")
            assert int(response.headers["retry-after"]) >= 1
            await ended(http, job_id)
            seen.append((await http.get(address)).content == first.content)
            for _ in range(mine.jobs.max_repaints):
                spoil(file)
                last = await http.get(address)
                await ended(http, job_id)
            assert (last.status_code, last.json()["error"]["code"]) == (410, "gone")
            await http.delete(f"/v1/jobs/{job_id}")
    assert all(seen)
    row.saw(f"503, then 200 and the same picture: {sum(seen)} of {len(seen)}; the fourth time 410 `gone`")


async def test_hardly_any_room(config: ServiceConfig, graph: Graph, tmp_path: Path, row: Row) -> None:
    row.promises(
        "less room on the disk than `min_free_bytes`",
        "jobs are refused with 507 before it is full, and `/readyz` says so",
    )
    mine = config.model_copy(
        update={"state_dir": str(tmp_path), "jobs": replace(config.jobs, min_free_bytes=1 << 60)}
    )
    async with client_of(mine, graph) as http:
        refused = await http.post("/v1/jobs", json={"scenes": [SCENE]})
        assert (refused.status_code, refused.json()["error"]["code"]) == (507, "insufficient_storage")
        ready = await http.get("/readyz")
        assert (ready.status_code, ready.json()["status"]) == (200, "degraded")
        assert "disk is nearly full" in ready.json()["reasons"][0]
        assert (await http.get("/v1/jobs")).json()["data"] == []
        assert (await http.post("/v1/scenes", json=SCENE)).status_code == 200
    row.saw("507 `insufficient_storage`, `/readyz` degraded, and a scene 200")


async def test_one_tenant_fills_the_disk(
    config: ServiceConfig, graph: Graph, tmp_path: Path, row: Row, monkeypatch: pytest.MonkeyPatch
) -> None:
    row.promises(
        "one key submits jobs and cancels them, until it is refused",
        "507 for that key, before it has half of the disk; another tenant's jobs are taken",
    )
    disk = 20_000_000
    database = tmp_path / "jobs.sqlite"

    def free(self: DiskSpace) -> int:
        return disk - (database.stat().st_size if database.exists() else 0)

    monkeypatch.setattr(DiskSpace, "free_bytes", free)
    jobs = replace(config.jobs, min_free_bytes=1_000_000, max_stored_scenes=10_000)
    mine = config.model_copy(update={"state_dir": str(tmp_path), "jobs": jobs, "authentication": "required"})
    store = open_keys(tmp_path)
    callers = [{"Authorization": f"Bearer {store.create(name, ('jobs',), name)[1]}"} for name in "ab"]
    words = SCENE | {"character": "a" * 1_900, "background": "b" * 1_900}
    async with client_of(mine, graph) as http:
        taken, status = 0, 202
        while status == 202:
            response = await http.post("/v1/jobs", json={"scenes": [words] * 50}, headers=callers[0])
            status = response.status_code
            if status == 202:
                taken += 1
                await http.delete(f"/v1/jobs/{response.json()['id']}", headers=callers[0])
            theirs = await http.post("/v1/jobs", json={"scenes": [SCENE]}, headers=callers[1])
            assert theirs.status_code == 202
        assert (status, response.json()["error"]["code"]) == (507, "insufficient_storage")
    kept = database.stat().st_size
    assert kept < disk / 2
    row.saw(
        f"507 after {taken} jobs of 50 scenes, all cancelled, in {kept / 1e6:.1f} MB; the other's all 202"
    )
