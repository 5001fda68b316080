"""Keys that end while their work waits, streams or is painted: the real edge and worker, in one process."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import Engine

from serve.auth.key_store import KeyStore, open_keys
from serve.config.service_config import ServiceConfig
from serve.graph.scene import Graph
from serve.state import open_state
from serve.state.database import open_database
from tests.support.databases import clear, postgres
from tests.support.drill_row import Row
from tests.support.local_service import graph, local_graph, simulated_config, with_worker
from tests.support.polling import until

__all__ = ["graph", "postgres"]

LAYER = {"prompt": "x", "num_inference_steps": 8, "width": 64, "height": 64}
SCENE = {"character": LAYER, "background": LAYER, "merge": {"width": 128, "height": 64}}
SCENES = 30


class Service:
    """A running service: its address, and its keys."""

    def __init__(self, url: str, keys: KeyStore, leaving: ExitStack) -> None:
        self.url, self.keys, self._leaving = url, keys, leaving

    def client(self, whole: str) -> httpx.Client:
        headers = {"Authorization": f"Bearer {whole}"}
        made = httpx.Client(base_url=self.url, headers=headers, timeout=60, trust_env=False)
        self._leaving.callback(made.close)
        return made

    def with_job(self, name: str, tenant: str | None = None, **more: Any) -> tuple[str, httpx.Client, str]:
        """Submit a job with a new key; return the key's id, a client with it, and the job's address."""
        key, whole = self.keys.create(name, ("jobs",), tenant, **more)
        http = self.client(whole)
        return key.id, http, http.post("/v1/jobs", json={"scenes": [SCENE] * SCENES}).headers["location"]


@pytest.fixture(scope="module")
def slow() -> Graph:
    """Return a graph whose scenes take long enough to be stopped."""
    return local_graph(simulated_config(step_s=0.02))


@pytest.fixture
def serving(slow: Graph, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Service]]:
    with ExitStack() as opened, ExitStack() as leaving:

        def to_be_closed(url: str) -> Engine:
            engine = open_database(url)
            opened.callback(engine.dispose)
            return engine

        monkeypatch.setattr(open_state, "open_database", to_be_closed)

        def start(**jobs: Any) -> Service:
            plain = simulated_config(step_s=0.02)
            settings = {"state_dir": str(tmp_path), "authentication": "required"}
            config: ServiceConfig = plain.model_copy(update={**settings, "jobs": replace(plain.jobs, **jobs)})
            keys = open_keys(tmp_path, config.jobs)
            return Service(leaving.enter_context(with_worker(config, slow)), keys, leaving)

        yield start


@pytest.fixture
def admin(serving: Any) -> Callable[[Service], httpx.Client]:
    return lambda service: service.client(service.keys.create("operator", ("admin",))[1])


def done(http: httpx.Client, job: str) -> int:
    return int(http.get(job).json()["done"])


def counted(http: httpx.Client, job: str) -> Counter[str]:
    return Counter(scene["status"] for scene in http.get(job).json()["scenes"])


def settled(http: httpx.Client, job: str) -> dict[str, Any]:
    """Return the job, once none of its scenes is running and it is held or has ended."""
    return until(
        lambda: (
            (found := http.get(job).json())
            and (found["held"] or found["status"] in ("succeeded", "cancelled"))
            and "running" not in {scene["status"] for scene in found["scenes"]}
            and found
        )
    )


def stopped(service: Service, admin: httpx.Client, job: str, end: Callable[[], Any]) -> str:
    """End the key once some of its scenes are painted; return a sentence on what was painted after."""
    until(lambda: done(admin, job) >= 2)
    end()
    before = done(admin, job)
    found = settled(admin, job)
    other, whole = service.keys.create(f"bystander of {job}", ("jobs",))
    with service.client(whole) as bystander:
        theirs = bystander.post("/v1/jobs", json={"scenes": [SCENE] * 6}).headers["location"]
        until(lambda: bystander.get(theirs).json()["status"] == "succeeded")
    assert other and done(admin, job) == found["done"], (
        "no more of it was painted while another key's job was"
    )
    assert found["done"] - before <= 3
    return f"of {SCENES} scenes {before} were painted before, {found['done'] - before} under way ended"


@pytest.mark.parametrize("place", ["sqlite", "postgres"])
def test_a_revoked_key_paints_no_more(
    serving: Any, admin: Any, row: Row, place: str, request: pytest.FixtureRequest
) -> None:
    named = "" if place == "sqlite" else ", keys and jobs in PostgreSQL"
    row.promises(
        f"a key is revoked while its scenes wait{named}",
        "those under way end, no other is painted; an admin sees, releases and cancels them",
    )
    if place == "postgres":
        engine: Engine = request.getfixturevalue("postgres")
        clear(engine)
        service = serving(database=engine.url.render_as_string(hide_password=False))
    else:
        service = serving()
    with admin(service) as operator:
        key_id, leaked, job = service.with_job("leaked")
        seen = stopped(service, operator, job, lambda: service.keys.revoke(key_id))
        assert leaked.get(job).status_code == 401
        assert operator.get(job).json()["tenant"] == "leaked"
        painted = done(operator, job)
        assert operator.post(f"{job}/release").json()["status"] == "running"
        until(lambda: done(operator, job) > painted)
        assert operator.delete(job).json()["status"] == "cancelled"
    row.saw(f"{seen}; released, painted on; cancelled")


@pytest.mark.slow
def test_an_expired_key_paints_no_more(serving: Any, admin: Any, row: Row) -> None:
    row.promises("a key expires while its scenes wait", "as when it is revoked")
    service = serving()
    with admin(service) as operator:
        _, expired, job = service.with_job("short", expires_at=time.time() + 2)
        found = settled(operator, job)
        refused = expired.get(job)
        assert (refused.status_code, refused.json()["error"]["message"]) == (401, "this key has expired")
    assert found["held"] and found["done"] < SCENES
    row.saw(f"401, and {SCENES - found['done']} of {SCENES} scenes held")


@pytest.mark.slow
def test_a_key_that_is_replaced_loses_nothing(serving: Any, row: Row) -> None:
    row.promises(
        "a key is replaced while its job is painted",
        "the job is painted to its end, and the new key sees it; the old one is refused",
    )
    service = serving()
    old, before, job = service.with_job("acme")
    until(lambda: done(before, job) >= 1)
    _, whole = service.keys.replace(old)
    until(lambda: before.get(job).status_code == 401)
    with service.client(whole) as after:
        until(lambda: after.get(job).json()["status"] == "succeeded")
        row.saw(f"{done(after, job)} of {SCENES} scenes painted; 401 for the old key")
        assert done(after, job) == SCENES


@pytest.mark.slow
def test_a_tenant_s_other_key_works_on(serving: Any, admin: Any, row: Row) -> None:
    row.promises(
        "one of a tenant's two keys is revoked while both have work",
        "the revoked one's work stops, the other one's is painted; the other sees both",
    )
    service = serving()
    with admin(service) as operator:
        key_id, _, leaked = service.with_job("acme")
        _, kept, other = service.with_job("second", "acme")
        until(lambda: done(kept, leaked) >= 1)
        service.keys.revoke(key_id)
        until(lambda: kept.get(other).json()["status"] == "succeeded")
        found = settled(kept, leaked)
        assert found["held"] and found["done"] < SCENES
        assert kept.post(f"{leaked}/release").status_code == 200
        until(lambda: operator.get(leaked).json()["status"] == "succeeded")
    row.saw(f"{SCENES} of {SCENES} of the other's; the rest of its own once the other key released it")


@pytest.mark.slow
@pytest.mark.parametrize("policy", ["cancel", "finish"])
def test_what_becomes_of_its_work_is_configured(serving: Any, admin: Any, policy: str) -> None:
    service = serving(ended_keys=policy)
    with admin(service) as operator:
        key_id, _, job = service.with_job("leaked")
        until(lambda: done(operator, job) >= 1)
        service.keys.revoke(key_id)
        status = "cancelled" if policy == "cancel" else "succeeded"
        until(lambda: operator.get(job).json()["status"] == status)


def test_a_revoked_key_s_open_stream_ends(serving: Any, row: Row) -> None:
    row.promises("a key is revoked while it follows a job's events", "the stream ends with `unauthenticated`")
    service = serving()
    key_id, http, job = service.with_job("leaked")
    reported: list[str] = []
    with http.stream("GET", f"{job}/events") as stream:
        lines = stream.iter_lines()
        reported.append(next(lines))
        service.keys.revoke(key_id)
        ended = threading.Timer(30, http.close)
        ended.start()
        reported.extend(lines)
        ended.cancel()
    events = [line.removeprefix("event: ") for line in reported if line.startswith("event: ")]
    assert events[-1] == "error" and '"code":"unauthenticated"' in reported[-2].replace(" ", "")
    assert http.get(f"{job}/events").status_code == 401
    row.saw("an `error` event, `unauthenticated`, as the last; 401 for the next")


def test_an_admin_ends_another_tenant_s_job(serving: Any, admin: Any, row: Row) -> None:
    row.promises(
        "an admin cancels a tenant's job while it is painted",
        "what waits and what is painted stops; another tenant's key gets 404",
    )
    service = serving()
    with admin(service) as operator:
        _, theirs, job = service.with_job("busy")
        stranger = service.client(service.keys.create("stranger", ("jobs",))[1])
        until(lambda: done(theirs, job) >= 1)
        assert stranger.delete(job).status_code == 404
        assert operator.delete(job).json()["status"] == "cancelled"
        statuses = counted(theirs, job)
        assert set(statuses) == {"cancelled", "succeeded"}
    row.saw(f"{statuses['cancelled']} of {SCENES} scenes cancelled at once, 404 for the other tenant")
