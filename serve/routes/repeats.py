"""Repeat the first response to a scene's request that is sent again with its Idempotency-Key."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from typing import Any

from fastapi import Request, Response

from deployments.errors import DeadlineExceeded, InvalidRequest, NotReady
from deployments.imaging.files.picture_encoding import media_type

from ..api.response_bodies import scene_body
from ..api.responses import scene_headers, wants_events, wants_json
from ..auth.middleware import tenant_of
from ..graph.scene_job import SceneResult
from ..http.error_responses import Refusal
from ..http.held_bytes import hold_response
from ..http.inline_pictures import decode_base64, without_pictures
from ..http.off_loop import off_loop
from ..http.paths import address
from ..http.rendering import JsonResponse, later, render
from ..http.sse import Event, EventStream
from ..pictures.in_thread import in_thread
from ..pictures.kept_results import ResultService
from ..pictures.repeated_requests import KEPT_S, Answered, Mine, OtherBody, RepeatedRequests, UnderWay
from .charges import note_done

POLL_S = 0.25
GRACE_S = 30.0
"""A request that has not ended this long after its deadline must have died with its process."""
REPLAYED = {"Idempotent-Replayed": "true"}


class Once:
    """One request's turn to make the response."""

    def __init__(self, request: Request, results: ResultService, key: str, lease: str) -> None:
        self._request, self._results = request, results
        self._owner, self._key, self._lease = tenant_of(request), key, lease
        self._rows = RepeatedRequests(results.store.engine)
        self._kept = False

    async def keep(self, scene: SceneResult) -> None:
        """Keep the painted response for a day. Raises Refusal 507, and NotReady."""
        note_done(self._request)
        request_id, headers = self._request.state.request_id, scene_headers(scene)
        body = await off_loop(lambda: render(scene_body(request_id, scene)))
        kept = await self._results.keep(self._owner, body, "json", KEPT_S)
        await in_thread(
            lambda: self._rows.answer(self._owner, self._key, self._lease, kept.id, headers), "results"
        )
        self._kept = True

    async def end(self) -> None:
        """Give the turn to the next request with the key, if this one made no response."""
        if not self._kept:
            abandoning = in_thread(lambda: self._rows.abandon(self._owner, self._key, self._lease), "results")
            with suppress(NotReady, Refusal):  # If this fails, the lease ends by itself.
                await asyncio.shield(abandoning)


async def begin(
    request: Request, results: ResultService, key: str, digest: str, deadline_at: float
) -> Once | Answered:
    """Return this request's turn, or wait for the response to an earlier request and return that.

    If cancelled, it leaves no turn behind. Raises InvalidRequest if the key was used for another body, and
    DeadlineExceeded.
    """
    store, owner = await in_thread(lambda: results.store, "results"), tenant_of(request)
    rows = RepeatedRequests(store.engine)
    while True:
        left_s = deadline_at - time.monotonic()
        if left_s <= 0:
            raise DeadlineExceeded("the same request is still being processed")
        claim = await _claim(rows, owner, key, digest, left_s + GRACE_S)
        if isinstance(claim, Mine):
            return Once(request, results, key, claim.lease)
        if isinstance(claim, Answered):
            return claim
        while await in_thread(partial(rows.is_under_way, owner, key), "results"):
            left_s = deadline_at - time.monotonic()
            if left_s <= 0:
                break
            await asyncio.sleep(min(POLL_S, left_s))


async def _claim(
    rows: RepeatedRequests, owner: str, key: str, digest: str, lease_s: float
) -> Mine | Answered | UnderWay:
    """Claim the turn. If this is cancelled meanwhile, the next request can have the turn."""
    claiming = asyncio.ensure_future(in_thread(partial(rows.claim, owner, key, digest, lease_s), "results"))
    try:
        return await asyncio.shield(claiming)
    except asyncio.CancelledError:
        with suppress(NotReady, Refusal, OtherBody):
            claim = await claiming
            if isinstance(claim, Mine):
                await in_thread(partial(rows.abandon, owner, key, claim.lease), "results")
        raise
    except OtherBody:
        message = "this Idempotency-Key was used for another body in the last 24 hours"
        raise InvalidRequest(message, "Idempotency-Key") from None


async def replay(request: Request, results: ResultService, answered: Answered, links: bool) -> Response:
    """Repeat the first response, as JSON, the picture or a stream's last event. Raises Refusal 410."""
    kept = await results.find(answered.result_id)
    hold_response(request.scope, kept.bytes)
    data = await results.read(kept)
    body = await off_loop(lambda: _parsed(data))
    headers = answered.headers | REPLAYED
    if links:
        for picture in _pictures_in(body):
            file = await off_loop(partial(decode_base64, picture.pop("b64_json")))
            path, expires_at = await results.link(tenant_of(request), file, picture["format"])
            picture |= {"url": address(request, path, results.base_url), "expires_at": expires_at}
    if wants_events(request):

        async def last(on_event: Callable[[Event], None]) -> None:
            on_event(Event("scene.completed", later(lambda: body, len(data))))

        return EventStream(request, last, backend=headers.get("X-Backend"))
    if links or wants_json(request):
        return JsonResponse(lambda: body, len(data), headers=headers)
    image = body["image"]
    file, kind = await off_loop(partial(decode_base64, image["b64_json"])), media_type(image["format"])
    return Response(file, media_type=kind, headers=headers)


def _parsed(data: bytes) -> dict[str, Any]:
    """Parse a kept response. Its pictures are cut out first: parsing them all in one call takes too long."""
    text, pictures = without_pictures(data)
    body: dict[str, Any] = json.loads(text)
    for picture in _pictures_in(body):
        picture["b64_json"] = pictures.get(picture["b64_json"], picture["b64_json"])
    return body


def _pictures_in(part: Any) -> Iterator[dict[str, Any]]:
    """Yield each picture of a response's body."""
    if isinstance(part, dict):
        if "b64_json" in part:
            yield part
            return
        part = list(part.values())
    if isinstance(part, list):
        for each in part:
            yield from _pictures_in(each)
