"""A real webhook receiver, which keeps the requests it received."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from tests.support.local_service import listening


@dataclass
class Receiver:
    """Respond with `status`, and keep each request. `url` is the receiver's address."""

    url: str = ""
    status: int = 204
    headers: list[tuple[bytes, bytes]] = field(default_factory=list)
    got: list[tuple[dict[str, str], bytes]] = field(default_factory=list)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        body = b""
        while (message := await receive())["type"] == "http.request":
            body += message["body"]
            if not message.get("more_body"):
                break
        headers = {name.decode(): value.decode() for name, value in scope["headers"]}
        self.got.append((headers | {":path": scope["path"]}, body))
        await send({"type": "http.response.start", "status": self.status, "headers": self.headers})
        await send({"type": "http.response.body", "body": b"x" * 100_000 if self.status == 200 else b""})


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    made = Receiver()
    with listening(made) as address:
        made.url = f"{address}/done"
        yield made
