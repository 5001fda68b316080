"""Bound the bytes of all request bodies that one process holds, per tenant and in total.

Ray Serve keeps reading a body whether or not the application does, so a sender cannot be slowed down.
Instead a request is refused by the length in its header, before its body is read. A body without a length,
or a compressed one, is counted as it grows. For methods that take no body, a large one is refused: it would
stay in memory for as long as the response takes, and a stream of events lasts for hours.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from deployments.errors import Overloaded

from ..config.request_limits import Limits
from .error_responses import CODING, Refusal, refuse
from .paths import route_path
from .request_slots import HEALTH

SMALL_BYTES = 64 << 10
SMALL_SHARE = 8
"""An eighth of the budget is reserved for small bodies, so uploads do not keep out scene requests."""
RETRY_S = 2.0
MESSAGE = "the request bodies in progress here are too large in total; try again shortly"
TOO_MANY = "the pictures of this request are too large in total: use fewer or smaller ones"
STATE = "body_share"
"""The key of a request's state that holds its share."""
METHODS = ("GET", "HEAD", "DELETE", "OPTIONS")
MAX_BYTES = 16 << 10
TOO_LARGE = Refusal(413, "payload_too_large", f"a body sent with this method is limited to {MAX_BYTES} bytes")


class BodyBudget:
    """Count bytes. At most `most_bytes` are held, and a tenant's large bodies may hold what is left free.

    So one tenant alone has half, two have a third each, and a new tenant finds as much free as any of them
    has (Choudhury and Hahne 1998, dynamic queue length thresholds). A budget belongs to one event loop.
    """

    def __init__(self, most_bytes: int) -> None:
        self._most_bytes = most_bytes
        self._held: Counter[str] = Counter()

    @property
    def held_bytes(self) -> int:
        """Return the bytes that all bodies hold."""
        return self._held.total()

    def reserve(self, tenant: str, more_bytes: int, body_bytes: int) -> None:
        """Count more bytes of a body, which then has `body_bytes` in all. Raises Overloaded."""
        if more_bytes > self._free_bytes(self._held.total(), self._held[tenant], body_bytes):
            raise Overloaded(MESSAGE, retry_after_s=RETRY_S)
        self._held[tenant] += more_bytes

    def never_admits(self, held_bytes: int, more_bytes: int) -> bool:
        """Return whether a request that holds `held_bytes` could not have more even if it were alone."""
        return more_bytes > self._free_bytes(held_bytes, held_bytes, held_bytes + more_bytes)

    def largest(self, held_bytes: int) -> int:
        """Return how many more bytes a request that holds `held_bytes` could have if it were alone."""
        return max(0, self._free_bytes(held_bytes, held_bytes, SMALL_BYTES + 1))

    def _free_bytes(self, held_bytes: int, tenants_bytes: int, body_bytes: int) -> int:
        """Return how many bytes a body may add, given the bytes held in all and by its tenant."""
        free = self._most_bytes - held_bytes
        if body_bytes > SMALL_BYTES:
            free = min(free - tenants_bytes, free - self._most_bytes // SMALL_SHARE)
        return free

    def give_back(self, tenant: str, held_bytes: int) -> None:
        """Stop counting these bytes."""
        self._held[tenant] -= held_bytes
        if not self._held[tenant]:
            del self._held[tenant]


class BodyShare:
    """The bytes of a budget that one request's body holds."""

    def __init__(self, budget: BodyBudget, tenant: str) -> None:
        self._budget = budget
        self._tenant = tenant
        self._held_bytes = 0

    def grow_to(self, body_bytes: int) -> None:
        """Hold at least this many bytes. Raises Overloaded."""
        more = body_bytes - self._held_bytes
        if more > 0:
            self._budget.reserve(self._tenant, more, body_bytes)
            self._held_bytes = body_bytes

    def grow_by(self, more_bytes: int) -> None:
        """Hold this many more bytes. Raises Overloaded, and Refusal 413 if they would never fit."""
        if self._budget.never_admits(self._held_bytes, more_bytes):
            raise Refusal(413, "payload_too_large", TOO_MANY)
        self.grow_to(self._held_bytes + more_bytes)

    def grow_as_far(self, more_bytes: int) -> None:
        """Hold this many more bytes, or as many as this request could hold alone. Raises Overloaded."""
        self.grow_to(self._held_bytes + min(more_bytes, self._budget.largest(self._held_bytes)))

    def shrink_by(self, fewer_bytes: int) -> None:
        """Hold this many fewer bytes."""
        self._budget.give_back(self._tenant, fewer_bytes)
        self._held_bytes -= fewer_bytes

    def end(self) -> None:
        """Release all bytes."""
        self._budget.give_back(self._tenant, self._held_bytes)
        self._held_bytes = 0


class BoundedBodies:
    """Middleware that refuses bodies that do not fit, with 429, and counts the rest until the responses end.

    `largest_bytes`: a body announced as longer is passed on, since its route refuses it at once.
    """

    def __init__(self, app: ASGIApp, most_bytes: int, largest_bytes: int) -> None:
        self._app = app
        self._largest_bytes = largest_bytes
        self.budget = BodyBudget(most_bytes)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        state = scope.setdefault("state", {})
        share = BodyShare(self.budget, str(state.get("tenant", "")))
        announced = announced_bytes(Headers(scope=scope))
        try:
            share.grow_to(announced if announced <= self._largest_bytes else 0)
        except Overloaded as refusal:
            await refuse(refusal, scope, receive, send)
            return
        state[STATE] = share
        try:
            await self._app(scope, receive, send)
        finally:
            share.end()


def holding(scope: Scope, headers: Headers, max_bytes: int) -> Callable[[int], None]:
    """Return a function that counts a body as it is received. It raises Overloaded.

    A body whose header does not give its size counts as the largest that its route takes once it is no longer
    small. Otherwise several that grow side by side would all be refused half-way.
    """
    share: BodyShare | None = scope.get("state", {}).get(STATE)
    reported = announced_bytes(headers) if CODING not in headers else 0

    def hold(received: int) -> None:
        if share is not None:
            share.grow_to(received if received <= max(reported, SMALL_BYTES) else max_bytes)

    return hold


def json_body_bytes(limits: Limits) -> int:
    """Return how long a JSON body may be, including the pictures inside it."""
    with_pictures = limits.max_json_bytes + 4 * -(-limits.max_inline_bytes // 3)
    return max(limits.max_json_bytes, min(limits.max_upload_bytes, with_pictures))


def announced_bytes(headers: Headers) -> int:
    """Return the announced length of the body, or 0 if there is none or it is not a number."""
    announced = headers.get("content-length", "")
    return int(announced) if announced.isascii() and announced.isdecimal() and len(announced) < 20 else 0


class Bodiless:
    """Middleware for methods that take no body. A small body, which some clients send, is ignored.

    It runs behind the middlewares that check keys and count requests, since it may wait for the end of a
    body. It does not wait for the body of a health check, which is not counted.
    """

    def __init__(self, app: ASGIApp, timeout_s: float) -> None:
        self._app = app
        self._timeout_s = timeout_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] not in METHODS:
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        try:
            if _announced(headers) > MAX_BYTES:
                raise TOO_LARGE
            if "transfer-encoding" in headers:
                if route_path(scope) in HEALTH:
                    raise TOO_LARGE
                receive = await self._read(receive)
        except Refusal as refusal:
            await refuse(refusal, scope, receive, send)
            return
        await self._app(scope, receive, send)

    async def _read(self, receive: Receive) -> Receive:
        """Wait for the end of a body of unknown length, and return the application's `receive`."""
        received = 0
        message: Message = {"more_body": True}
        try:
            async with asyncio.timeout(self._timeout_s):
                while message.get("more_body"):
                    message = await receive()
                    received += len(message.get("body", b""))
                    if received > MAX_BYTES:
                        raise TOO_LARGE
        except TimeoutError:
            late = f"the body did not arrive within {self._timeout_s:g} s"
            raise Refusal(408, "request_timeout", late) from None
        last = [{**message, "body": b""} if message["type"] == "http.request" else message]

        async def receive_rest() -> Message:
            return last.pop() if last else await receive()

        return receive_rest


def _announced(headers: Headers) -> int:
    """Return the largest announced length. The server refuses lengths that are not numbers."""
    given = headers.getlist("content-length")
    return max((int(each[:20]) for each in given if each.isdecimal()), default=0)
