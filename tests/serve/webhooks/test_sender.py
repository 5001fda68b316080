"""Webhooks that are really sent: signed, limited in time, never redirected, reported in the job."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import Engine
from standardwebhooks import Webhook, WebhookVerificationError

from serve.config.webhook_config import WebhookConfig
from serve.jobs.job_ids import new_job_id
from serve.jobs.job_store import JobStore
from serve.jobs.leases import Leases
from serve.jobs.states import NewScene
from serve.telemetry import metrics
from serve.webhooks import outbox, sender
from serve.webhooks.outbox import Delivery
from serve.webhooks.secrets import rotate, secret_of
from serve.webhooks.sender import WebhookSender
from tests.support.noted import Noted
from tests.support.polling import eventually
from tests.support.webhook_receiver import Receiver

HERE = WebhookConfig(allowed_hosts=("127.0.0.1", "localhost"), private_network=True, timeout_s=5)


@pytest.fixture
def noted() -> Noted:
    return Noted(metrics.WORKER)


@pytest.fixture
def ended(engine: Engine, store: JobStore, leases: Leases, new: Callable[[int], list[NewScene]]) -> Any:
    """`ended(url)`: return the id of an ended job whose webhook is due."""

    def ended(url: str, owner: str = "me") -> str:
        job_id = store.submit(new_job_id(), owner, new(1), webhook_url=url)
        while claim := leases.claim():
            assert leases.succeed(claim.lease, "p", "jpeg", {})
        return job_id

    return ended


async def send(engine: Engine, noted: Noted, config: WebhookConfig = HERE) -> Delivery:
    """Send all due deliveries; return the newest one."""
    working = WebhookSender(engine, config, noted)  # type: ignore[arg-type]
    await working.turn()
    await asyncio.gather(*working._sending)
    await working.close()
    return outbox.listed(engine)[0]


async def test_it_is_signed_as_standard_webhooks_says(
    engine: Engine, ended: Any, receiver: Receiver, noted: Noted
) -> None:
    job_id = ended(receiver.url)
    assert (await send(engine, noted)).status == "delivered"
    ((headers, body),) = receiver.got
    assert Webhook(secret_of(engine, "me")).verify(body, headers) == json.loads(body)
    with pytest.raises(WebhookVerificationError):
        Webhook(secret_of(engine, "you")).verify(body, headers)
    assert json.loads(body)["data"]["id"] == job_id
    assert headers[":path"] == "/done" and headers["host"] == receiver.url.split("/")[2]
    assert abs(int(headers["webhook-timestamp"]) - time.time()) < 60


async def test_both_secrets_sign_after_one_was_replaced(
    engine: Engine, ended: Any, receiver: Receiver, noted: Noted
) -> None:
    old = secret_of(engine, "me")
    rotate(engine, "me")
    ended(receiver.url)
    await send(engine, noted)
    ((headers, body),) = receiver.got
    for secret in (old, secret_of(engine, "me")):
        Webhook(secret).verify(body, headers)


@pytest.mark.parametrize(
    ("status", "left"), [(200, "delivered"), (301, "due"), (404, "due"), (410, "failed"), (500, "due")]
)
async def test_what_each_answer_means(
    engine: Engine, ended: Any, receiver: Receiver, noted: Noted, status: int, left: str
) -> None:
    receiver.status, receiver.headers = status, [(b"location", b"/elsewhere")]
    ended(receiver.url)
    found = await send(engine, noted)
    assert found.status == left and len(receiver.got) == 1, "redirects are not followed"
    assert found.last_error == (None if status == 200 else f"responded with {status}")
    assert noted.tags(metrics.WEBHOOKS) == [("retried" if left == "due" else left,)]


async def test_it_comes_again_with_the_same_id_until_it_is_taken(
    engine: Engine, ended: Any, receiver: Receiver, noted: Noted, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outbox, "RETRY_AFTER_S", (0, 0, 0))
    ended(receiver.url)
    receiver.status = 503
    assert [(await send(engine, noted)).attempts for _ in range(2)] == [1, 2]
    receiver.status = 204
    assert (await send(engine, noted)).status == "delivered"
    assert len({headers["webhook-id"] for headers, _ in receiver.got}) == 1
    assert len({body for _, body in receiver.got}) == 1


async def test_a_sender_that_dies_before_it_can_note_it_sends_again(
    engine: Engine, ended: Any, receiver: Receiver, noted: Noted, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended(receiver.url)
    dying = WebhookSender(engine, HERE, noted)  # type: ignore[arg-type]

    async def never(*_: Any) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr(dying, "_note", never)
    await dying.turn()

    async def arrived() -> Any:
        return receiver.got

    await eventually(arrived)
    await dying.close()
    assert outbox.listed(engine)[0].status == "due"
    monkeypatch.setattr(outbox, "now_of", lambda connection, given=None: time.time() + outbox.LEASE_S)
    assert (await send(engine, noted)).status == "delivered"
    first, second = (headers["webhook-id"] for headers, _ in receiver.got)
    assert first == second


@pytest.mark.parametrize(
    ("url", "config", "said"),
    [
        ("http://127.0.0.1:9/", HERE, "ConnectError"),
        ("https://localhost:9/", WebhookConfig(allowed_hosts=("localhost",)), "a private network"),
        ("https://gone.example/", HERE, "allowed_hosts"),
        ("https://no-such-name.invalid/", WebhookConfig(allowed_hosts=("*.invalid",)), "gaierror"),
        ("https://a..invalid/", WebhookConfig(allowed_hosts=("*.invalid",)), "is not a valid URL"),
    ],
)
async def test_what_cannot_be_reached_says_why(
    engine: Engine, ended: Any, noted: Noted, url: str, config: WebhookConfig, said: str
) -> None:
    ended(url)
    found = await send(engine, noted, config)
    assert found.last_error and said in found.last_error
    assert found.status == ("failed" if "address" in found.last_error else "due")


async def test_a_receiver_that_never_answers_holds_up_no_other(
    engine: Engine, ended: Any, receiver: Receiver, noted: Noted
) -> None:
    async def silent(reader: Any, writer: Any) -> None:
        await reader.read()
        writer.close()

    server = await asyncio.start_server(silent, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    for _ in range(sender.AT_ONCE_PER_TENANT + 2):
        ended(f"http://127.0.0.1:{port}/", "slow")
    ended(receiver.url, "quick")
    working = WebhookSender(engine, HERE.model_copy(update={"timeout_s": 60}), noted)  # type: ignore[arg-type]
    for _ in range(3):
        await working.turn()

    async def arrived() -> Any:
        return receiver.got

    await eventually(arrived)
    assert len([owner for owner in working._sending.values() if owner == "slow"]) == sender.AT_ONCE_PER_TENANT
    await working.close()
    server.close()


async def test_an_attempt_counts_whatever_goes_wrong(
    engine: Engine, ended: Any, noted: Noted, monkeypatch: pytest.MonkeyPatch
) -> None:
    def impossible(*_: Any, **options: Any) -> Any:
        raise UnicodeError("label empty or too long")

    monkeypatch.setattr(socket, "getaddrinfo", impossible)
    ended("http://localhost:9/")
    found = await send(engine, noted)
    assert (found.attempts, found.last_error) == (1, "UnicodeError: label empty or too long")


async def test_one_tenant_has_four_places_however_its_webhooks_fall_due(
    engine: Engine, ended: Any, noted: Noted, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def never(*_: Any) -> int:
        await asyncio.Event().wait()
        raise AssertionError

    working = WebhookSender(engine, HERE, noted)  # type: ignore[arg-type]
    monkeypatch.setattr(working, "_post", never)
    for count in (sender.AT_ONCE_PER_TENANT - 1, sender.AT_ONCE_PER_TENANT):
        for _ in range(count):
            ended("http://127.0.0.1:9/", "slow")
        await working.turn()
    assert len(working._sending) == sender.AT_ONCE_PER_TENANT
    await working.close()


async def test_a_lookup_that_does_not_end_keeps_its_place_and_holds_up_no_other(
    engine: Engine, ended: Any, noted: Noted, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    answered, really = threading.Event(), socket.getaddrinfo

    def silent(host: str, *rest: Any, **options: Any) -> Any:
        if host == "silent.invalid":
            answered.wait(30)
            raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")
        return really(host, *rest, **options)

    monkeypatch.setattr(socket, "getaddrinfo", silent)
    hosts = ("localhost", "silent.invalid")
    config = WebhookConfig(allowed_hosts=hosts, private_network=True, timeout_s=0.2)
    working = WebhookSender(engine, config, noted)  # type: ignore[arg-type]
    try:
        for _ in range(sender.AT_ONCE_PER_TENANT + 1):
            ended("http://silent.invalid/", "slow")
        await working.turn()
        await asyncio.gather(*working._sending)
        assert working._lookups.abandoned() == ["slow"] * sender.AT_ONCE_PER_TENANT
        ended(receiver.url.replace("127.0.0.1", "localhost"), "quick")
        await working.turn()
        assert list(working._sending.values()) == ["quick"]
        await asyncio.gather(*working._sending)
        answered.set()

        async def over() -> bool:
            return not working._lookups.abandoned()

        await eventually(over)
        assert [each.status for each in outbox.listed(engine, "quick")] == ["delivered"]
    finally:
        answered.set()
        await working.close()
