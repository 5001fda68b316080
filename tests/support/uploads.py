"""Picture files for uploads, good and bad, and a way to set a caller's tenant without keys."""

from __future__ import annotations

import struct
import zlib
from io import BytesIO
from pathlib import Path
from typing import Any

import httpx
import numpy as np
from PIL import Image
from starlette.types import ASGIApp, Receive, Scope, Send

from serve.auth.quotas import Quota
from serve.config.service_config import ServiceConfig

TINTS = np.random.default_rng(7).integers(0, 255, (24, 40, 3)).astype(np.uint8)


def a_file(pixels: Any = TINTS, kind: str = "PNG") -> bytes:
    data = BytesIO()
    Image.fromarray(pixels).save(data, kind)
    return data.getvalue()


def a_huge_file() -> bytes:
    """Return a file whose header claims 200 megapixels, with almost no data behind it."""

    def chunk(name: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    header = struct.pack(">IIBBBBB", 20_000, 10_000, 8, 2, 0, 0, 0)
    parts = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + parts


class As:
    """Put a tenant and its quota into the request's state, as the auth middleware does."""

    def __init__(self, app: ASGIApp, tenant: str, quota: Quota | None = None) -> None:
        self._app, self._state = app, {"tenant": tenant, "quota": quota}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope["state"] = {**scope.get("state", {}), **self._state}
        await self._app(scope, receive, send)


def error_of(answer: httpx.Response) -> tuple[int, str, str | None]:
    error = answer.json()["error"]
    assert set(error) == {"type", "code", "message", "param", "request_id"}
    return answer.status_code, error["code"], error["param"]


def files_of(config: ServiceConfig) -> list[Path]:
    folder = Path(config.jobs.pictures_place(config.state_folder))
    return [file for file in folder.glob("??/*") if file.is_file()]
