"""A small client: `Scenewright("http://127.0.0.1:8000").scene("a knight", "a castle").save("scene.jpg")`.

It knows the service by its HTTP contract alone, and needs httpx and, for `Scene.image`, Pillow.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, TypeVar
from urllib.parse import quote

import httpx

if TYPE_CHECKING:
    from PIL import Image

LOOPBACK = ("127.0.0.1", "localhost", "::1")
CONNECT_TIMEOUT_S = 5.0
GRACE_S = 30.0  # how much longer than a request's own deadline its answer is awaited


T = TypeVar("T")
Layer = str | Mapping[str, Any]


class ScenewrightError(Exception):
    """The service answered with an error; `param` names the field at fault where there is one."""

    def __init__(
        self, status: int, code: str, message: str, param: str | None = None, request_id: str | None = None
    ) -> None:
        super().__init__(status, code, message, param, request_id)
        self.status, self.code, self.message, self.param, self.request_id = (
            status,
            code,
            message,
            param,
            request_id,
        )

    def __str__(self) -> str:
        return self.message


class ServerUnreachable(ConnectionError):
    """Nothing answered at the address, or not to the end."""


@dataclass(frozen=True)
class Scene:
    """A painted scene. `layers`: files of `character`, `background` and `mask`, where they were asked for."""

    data: bytes
    format: str
    seeds: dict[str, int]
    merge: dict[str, Any]
    degraded: list[str]
    timings_ms: dict[str, float]
    backend: str
    id: str
    layers: dict[str, bytes]

    def save(self, path: str | Path) -> None:
        """Write the picture as it came; the suffix does not convert it."""
        Path(path).write_bytes(self.data)

    @cached_property
    def image(self) -> Image.Image:
        """The picture in Pillow, decoded when first looked at."""
        from PIL import Image

        return Image.open(BytesIO(self.data))


class Scenewright:
    """One service, over one pool of connections, which leaving a `with` closes."""

    def __init__(
        self,
        url: str = "http://127.0.0.1:8000",
        api_key: str | None = None,
        timeout_s: float = 150.0,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        self.url = url.rstrip("/")
        self._timeout_s = timeout_s
        self._http = httpx.Client(
            base_url=self.url,
            headers={"Authorization": f"Bearer {api_key}"} if api_key else {},
            transport=transport,
            # A proxy set for the internet would swallow requests to this machine.
            trust_env=httpx.URL(self.url).host not in LOOPBACK,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *raised: object) -> None:
        self._http.close()

    def scene(self, character: Layer, background: Layer, **options: Any) -> Scene:
        """POST /v1/scenes; `options` are its other fields. Raises ScenewrightError and ServerUnreachable."""
        timeout_s = max(self._timeout_s, options.get("deadline_s", 0) + GRACE_S)
        body = {"character": character, "background": background, **options}
        answer = self._ask("POST", "/v1/scenes", timeout_s, json=body)
        return _read(answer, lambda body: _scene(body, answer.headers.get("x-backend", "")))

    def submit_job(self, scenes: list[dict[str, Any]], idempotency_key: str | None = None) -> dict[str, Any]:
        """POST /v1/jobs, of scene requests as dictionaries. When this returns, the job is kept for good."""
        headers = {} if idempotency_key is None else {"Idempotency-Key": idempotency_key}
        answer = self._ask("POST", "/v1/jobs", self._timeout_s, headers, json={"scenes": scenes})
        return _read(answer, dict)

    def job(self, job_id: str) -> dict[str, Any]:
        """GET /v1/jobs/{id}: its status, its counts and its scenes."""
        return _read(self._ask("GET", f"/v1/jobs/{quote(job_id, '')}", self._timeout_s), dict)

    def jobs(self, limit: int = 20, after: str | None = None) -> dict[str, Any]:
        """GET /v1/jobs: `data`, newest first, and `next`, the `after` of the next page."""
        query = {"limit": limit} if after is None else {"limit": limit, "after": after}
        return _read(self._ask("GET", "/v1/jobs", self._timeout_s, params=query), dict)

    def cancel_job(self, job_id: str) -> dict[str, Any]:
        """DELETE /v1/jobs/{id}."""
        return _read(self._ask("DELETE", f"/v1/jobs/{quote(job_id, '')}", self._timeout_s), dict)

    def job_picture(self, job_id: str, index: int) -> tuple[bytes, str]:
        """GET /v1/jobs/{id}/scenes/{index}: the file, and its format."""
        answer = self._ask("GET", f"/v1/jobs/{quote(job_id, '')}/scenes/{index}", self._timeout_s)
        return answer.content, answer.headers.get("content-type", "").removeprefix("image/")

    def models(self) -> list[dict[str, Any]]:
        """GET /v1/models. Raises ScenewrightError and ServerUnreachable."""
        return _read(self._ask("GET", "/v1/models", self._timeout_s), lambda body: list(body["data"]))

    def ready(self) -> bool:
        """Whether the service can paint. Raises ServerUnreachable, and ScenewrightError of other servers."""
        return not self.unready_reason()

    def unready_reason(self) -> str:
        """GET /readyz: why the service cannot paint yet, empty when it can. Raises as `ready`."""
        try:
            self._ask("GET", "/readyz", CONNECT_TIMEOUT_S)
        except ScenewrightError as error:
            if error.status != 503:
                raise
            return error.message
        return ""

    def _ask(
        self,
        method: str,
        path: str,
        timeout_s: float,
        headers: Mapping[str, str] | None = None,
        **content: Any,
    ) -> httpx.Response:
        timeout = httpx.Timeout(timeout_s, connect=CONNECT_TIMEOUT_S)
        said = {"Accept": "application/json", **(headers or {})}
        try:
            answer = self._http.request(method, path, timeout=timeout, headers=said, **content)
        except (httpx.ConnectError, httpx.ConnectTimeout) as error:
            raise ServerUnreachable(f"no Scenewright at {self.url}") from error
        except httpx.TimeoutException as error:
            raise ServerUnreachable(f"{self.url} did not answer within {timeout_s:g} s") from error
        except (httpx.TransportError, httpx.InvalidURL) as error:
            raise ServerUnreachable(f"{self.url} cannot be reached: {error}") from error
        if not answer.is_success:
            raise _error(answer)
        return answer


def _read(answer: httpx.Response, read: Callable[[Any], T]) -> T:
    """What `read` makes of the JSON; a body of another shape is another server's."""
    try:
        return read(answer.json())
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        message = f"not an answer of Scenewright's (HTTP {answer.status_code})"
        raise ScenewrightError(answer.status_code, "not_scenewright", message) from error


def _error(answer: httpx.Response) -> ScenewrightError:
    def read(body: Any) -> ScenewrightError:
        error = body["error"]
        facts = error["code"], error["message"], error.get("param"), error.get("request_id")
        return ScenewrightError(answer.status_code, *facts)

    return _read(answer, read)


def _scene(body: dict[str, Any], backend: str) -> Scene:
    image, layers = body["image"], body.get("layers") or {}
    return Scene(
        data=base64.b64decode(image["b64_json"]),
        format=image["format"],
        backend=backend,
        layers={name: base64.b64decode(picture["b64_json"]) for name, picture in layers.items()},
        **{name: body[name] for name in ("id", "seeds", "merge", "degraded", "timings_ms")},
    )
