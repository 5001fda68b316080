"""Send webhooks as Standard Webhooks 1.0 says: signed, tried again for a day, never redirected.

https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
"""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from datetime import UTC, datetime
from functools import partial
from typing import Any

import httpx
from sqlalchemy import Engine
from standardwebhooks import Webhook

from ..config.webhook_config import WebhookConfig
from ..telemetry import metrics
from ..telemetry.logs import logger
from ..telemetry.metrics import Recorder
from . import outbox
from .lookups import Lookups
from .outbox import Delivery
from .secrets import signing_secrets
from .targets import Forbidden, address_of, check_url

AT_ONCE = 16
AT_ONCE_PER_TENANT = 4
"""The limit for one tenant, so that its silent receivers leave places for the others."""
GONE = 410
"""The status of a receiver that wants no more attempts."""


class WebhookSender:
    """Deliver due webhooks in parallel with painting, with separate connections and time limits."""

    def __init__(self, engine: Engine, config: WebhookConfig, recorder: Recorder) -> None:
        self._engine = engine
        self._config = config
        self._recorder = recorder
        self._sending: dict[asyncio.Task[None], str] = {}
        self._lookups = Lookups(AT_ONCE)
        self._http = httpx.AsyncClient(
            follow_redirects=False,
            trust_env=False,
            timeout=config.timeout_s,
            limits=httpx.Limits(max_connections=AT_ONCE),
        )

    async def turn(self) -> None:
        """Begin to send due webhooks, as many as there are free places. Raises SQLAlchemyError."""
        under_way = [*self._sending.values(), *self._lookups.abandoned()]
        if (room := AT_ONCE - len(under_way)) <= 0:
            return
        places = {owner: AT_ONCE_PER_TENANT - n for owner, n in Counter(under_way).items()}
        limit = min(room, AT_ONCE_PER_TENANT)
        for delivery in await asyncio.to_thread(outbox.claim, self._engine, limit, places):
            task = asyncio.create_task(self._deliver(delivery))
            self._sending[task] = delivery.owner
            task.add_done_callback(self._ended)

    async def close(self) -> None:
        """Drop the deliveries under way: the next sender sends them again."""
        for task in self._sending:
            task.cancel()
        await asyncio.gather(*self._sending, return_exceptions=True)
        self._lookups.close()
        await self._http.aclose()

    def _ended(self, task: asyncio.Task[None]) -> None:
        del self._sending[task]
        if not task.cancelled() and (error := task.exception()):
            logger.warning(
                "the outcome of a webhook could not be recorded, so it will be sent again", exc_info=error
            )

    async def _deliver(self, delivery: Delivery) -> None:
        body = await asyncio.to_thread(outbox.body_of, self._engine, delivery)
        if body is None:
            return
        secrets = await asyncio.to_thread(signing_secrets, self._engine, delivery.owner)
        error, final = None, False
        try:
            async with asyncio.timeout(self._config.timeout_s):
                status = await self._post(delivery, body, secrets)
        except Forbidden as refused:
            error, final = f"the address {refused}", True
        except (TimeoutError, httpx.TimeoutException):
            error = f"no response within {self._config.timeout_s:g} s"
        except Exception as fault:  # Any error counts as an attempt, or it would be retried forever.
            error = f"{type(fault).__name__}: {fault}" if str(fault) else type(fault).__name__
        else:
            if not 200 <= status < 300:
                error, final = f"responded with {status}", status == GONE
        await self._note(delivery, error, final)

    async def _note(self, delivery: Delivery, error: str | None, final: bool) -> None:
        if error is None:
            await asyncio.to_thread(outbox.delivered, self._engine, delivery)
            self._recorder.add(metrics.WEBHOOKS, outcome="delivered")
            return
        again = await asyncio.to_thread(outbox.failed, self._engine, delivery, error, final)
        self._recorder.add(metrics.WEBHOOKS, outcome="retried" if again else "failed")
        if not again:
            logger.warning("gave up on webhook %s of %s: %s", delivery.id, _subject(delivery), error)

    async def _post(self, delivery: Delivery, body: dict[str, Any], secrets: list[str]) -> int:
        check_url(delivery.url, self._config)  # The operator may have taken the host off the list since.
        url = httpx.URL(delivery.url)
        host = url.netloc.decode()
        look_up = partial(self._lookups.addresses, owner=delivery.owner)
        target = url.copy_with(host=await address_of(url, self._config, look_up))
        data, at = json.dumps(body, separators=(",", ":")), datetime.now(UTC)
        headers = {
            "Host": host,
            "Content-Type": "application/json",
            "User-Agent": "Scenewright-Webhooks",
            "webhook-id": delivery.id,
            "webhook-timestamp": str(int(at.timestamp())),
            "webhook-signature": " ".join(Webhook(secret).sign(delivery.id, at, data) for secret in secrets),
        }
        # The certificate is checked against the name, although the connection is to the address.
        extensions = {"sni_hostname": url.host}
        request = self._http.build_request(
            "POST", target, content=data, headers=headers, extensions=extensions
        )
        response = await self._http.send(request, stream=True)  # The body of the response is not read.
        await response.aclose()
        return response.status_code


def _subject(delivery: Delivery) -> str:
    return "no job" if delivery.job_id is None else f"job {delivery.job_id}"
