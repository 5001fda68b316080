"""GET / and /static/…: the web page, a few small files that are held in memory."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from fastapi import APIRouter, Request, Response

from ..auth.middleware import STATIC_FILES, STATIC_FOLDER
from ..config.service_config import ServiceConfig
from ..graph.scene import Graph
from ..http.conditional import has_tag
from ..http.error_responses import Refusal

MEDIA_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
HEADERS = {
    # Painted pictures are blobs in the page; everything else comes from this origin.
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; "
    "img-src 'self' blob: data:; connect-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'",
    "Cache-Control": "no-cache",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


@dataclass(frozen=True)
class StaticFile:
    data: bytes
    media_type: str
    etag: str


def page_routes(config: ServiceConfig, graph: Graph) -> APIRouter:
    router = APIRouter(include_in_schema=False)
    files = {name: _read(STATIC_FOLDER / name) for name in STATIC_FILES}

    @router.get("/")
    async def page(request: Request) -> Response:
        return _respond(request, files["index.html"])

    @router.get("/static/{name}")
    async def static_file(request: Request, name: str) -> Response:
        if name not in files:
            raise Refusal(404, "not_found", "there is no such file")
        return _respond(request, files[name])

    return router


def _read(file: Path) -> StaticFile:
    data = file.read_bytes()
    return StaticFile(data, MEDIA_TYPES[file.suffix], f'"{hashlib.sha256(data).hexdigest()[:32]}"')


def _respond(request: Request, file: StaticFile) -> Response:
    headers = HEADERS | {"ETag": file.etag}
    if has_tag(request, file.etag):
        return Response(status_code=304, headers=headers)
    return Response(file.data, media_type=file.media_type, headers=headers)
