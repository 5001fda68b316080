"""Stub a service, for commands of its client."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from click.testing import CliRunner, Result

from serve.cli import main

JPEG = b"a jpeg"


CARD = {
    "id": "storybook-character",
    "serving": ["character"],
    "default_for": ["character"],
    "licence": "Apache-2.0",
    "commercial_use": "yes",
    "resolution": {"width": 384, "height": 512, "multiple_of": 16},
    "memory_gb": None,
}


class Stub(ThreadingHTTPServer):
    """Respond to a path with its entry in `responses`, and keep the requests and uploaded files."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), StubHandler)
        self.requested: list[Any] = []
        self.uploads: list[bytes] = []
        self.pictures: dict[str, bytes] = {}
        self.responses: dict[str, tuple[int, dict[str, Any]]] = {
            "/v1/models": (200, {"data": [CARD]}),
            "/v1/scenes": (
                200,
                {
                    "id": "r",
                    "image": {"format": "jpeg", "b64_json": base64.b64encode(JPEG).decode()},
                    "seeds": {"character": 42, "background": 7},
                    "merge": {},
                    "degraded": ["character: reduced"],
                    "warnings": ["character: storybook-character does not know: unicorn"],
                    "timings_ms": {"merge": 3.2},
                    "layers": {"mask": {"format": "png", "b64_json": base64.b64encode(b"m").decode()}},
                },
            ),
        }

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class StubHandler(BaseHTTPRequestHandler):
    server: Stub

    def do_GET(self) -> None:
        self._answer()

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        if self.path == "/v1/pictures":
            self._keep(body)
        else:
            self.server.requested.append(json.loads(body))
        self._answer()

    def _keep(self, body: bytes) -> None:
        boundary = self.headers["content-type"].partition("boundary=")[2].encode()
        (part,) = body.split(b"--" + boundary)[1:-1]
        kept = {"id": f"pic_{len(self.server.uploads)}", "width": 8, "height": 4, "expires_at": 1}
        self.server.uploads.append(part.partition(b"\r\n\r\n")[2].removesuffix(b"\r\n"))
        self.server.responses[self.path] = (200, kept)

    def _answer(self) -> None:
        picture = self.server.pictures.get(self.path)
        status, body = (200, None) if picture else self.server.responses[self.path]
        data = picture or json.dumps(body).encode()
        self.send_response(status)
        self.send_header("content-type", "image/jpeg" if picture else "application/json")
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *arguments: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[Stub]:
    with Stub() as stub:
        thread = threading.Thread(target=stub.serve_forever, args=(0.01,))
        thread.start()
        yield stub
        stub.shutdown()
        thread.join()


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])
