"""A small client: `Scenewright("http://127.0.0.1:8000").scene("a knight", "a castle").save("scene.jpg")`.

It knows the service by its HTTP contract alone, and needs httpx and, for `Scene.image`, Pillow.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import httpx

if TYPE_CHECKING:
    from PIL import Image

LOOPBACK = ("127.0.0.1", "localhost", "::1")
CONNECT_TIMEOUT_S = 5.0
DEFAULT_TIMEOUT_S = 150.0
GRACE_S = 30.0
"""How much longer than a request's own deadline its answer is awaited: the server answers it, not the socket."""


class ScenewrightError(Exception):
    """The service answered with an error; `param` names the field at fault where there is one."""

    def __init__(
        self, status: int, code: str, message: str, param: str | None = None, request_id: str | None = None
    ) -> None:
        super().__init__(status, code, message, param, request_id)
        self.status, self.code, self.message, self.param, self.request_id = status, code, message, param, request_id

    def __str__(self) -> str:
        return self.message


class ServerUnreachable(ConnectionError):
    """Nothing answered at the address, or not to the end."""


@dataclass(frozen=True)
class Scene:
    """A painted scene. `layers` holds `character`, `background` and `mask` as files where they were asked for."""

    data: bytes
    format: str
    seeds: dict[str, int]
    merge: dict[str, Any]
    degraded: list[str]
    timings_ms: dict[str, float]
    backend: str
    request_id: str
    layers: dict[str, bytes] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)

    def save(self, path: str | Path) -> Path:
        """Write the picture as it came; the suffix does not convert it."""
        place = Path(path)
        place.write_bytes(self.data)
        return place

    @cached_property
    def image(self) -> Image.Image:
        """The picture in Pillow, decoded when first looked at."""
        from PIL import Image

        return Image.open(BytesIO(self.data))


@dataclass(frozen=True)
class Readiness:
    """True where the service can paint; `reason` says why not."""

    ready: bool
    reason: str = ""

    def __bool__(self) -> bool:
        return self.ready


class Scenewright:
    """One service, over one pool of connections; close it, or use it in a `with`."""

    def __init__(
        self,
        url: str = "http://127.0.0.1:8000",
        api_key: str | None = None,
        timeout_s: float = DEFAULT_TIMEOUT_S,
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
        self.close()

    def close(self) -> None:
        self._http.close()

    def scene(
        self, character: str | Mapping[str, Any], background: str | Mapping[str, Any], **options: Any
    ) -> Scene:
        """POST /v1/scenes; `options` are its other fields. Raises ScenewrightError and ServerUnreachable."""
        timeout_s = max(self._timeout_s, options.get("deadline_s", 0) + GRACE_S)
        body = {"character": character, "background": background, **options}
        answer = self._ask("POST", "/v1/scenes", timeout_s, json=body)
        return _scene(_json(answer), answer.headers)

    def models(self) -> list[dict[str, Any]]:
        """GET /v1/models. Raises ScenewrightError and ServerUnreachable."""
        return list(_json(self._ask("GET", "/v1/models", self._timeout_s))["data"])

    def ready(self) -> Readiness:
        """GET /readyz. Raises ServerUnreachable, and ScenewrightError where it is not a Scenewright that answers."""
        try:
            self._ask("GET", "/readyz", CONNECT_TIMEOUT_S)
        except ScenewrightError as error:
            if error.status != 503:
                raise
            return Readiness(False, error.message)
        return Readiness(True)

    def _ask(self, method: str, path: str, timeout_s: float, **content: Any) -> httpx.Response:
        timeout = httpx.Timeout(timeout_s, connect=CONNECT_TIMEOUT_S)
        accept = {"Accept": "application/json"}
        try:
            answer = self._http.request(method, path, timeout=timeout, headers=accept, **content)
        except (httpx.ConnectError, httpx.ConnectTimeout) as error:
            raise ServerUnreachable(f"no Scenewright at {self.url}") from error
        except httpx.TimeoutException as error:
            raise ServerUnreachable(f"{self.url} did not answer within {timeout_s:g} s") from error
        except (httpx.TransportError, httpx.InvalidURL) as error:
            raise ServerUnreachable(f"{self.url} cannot be reached: {error}") from error
        if not answer.is_success:
            raise _error(answer)
        return answer


def _json(answer: httpx.Response) -> dict[str, Any]:
    try:
        body = answer.json()
    except ValueError:
        body = None
    if not isinstance(body, dict):
        raise ScenewrightError(answer.status_code, "not_scenewright", "the answer is not one of Scenewright's")
    return body


def _error(answer: httpx.Response) -> ScenewrightError:
    request_id = answer.headers.get("x-request-id")
    try:
        error = answer.json()["error"]
        return ScenewrightError(
            answer.status_code, error["code"], error["message"], error.get("param"), error.get("request_id")
        )
    except (ValueError, KeyError, TypeError):
        message = f"HTTP {answer.status_code}: {answer.text[:200].strip()}"
        return ScenewrightError(answer.status_code, "not_scenewright", message, None, request_id)


def _scene(body: dict[str, Any], headers: httpx.Headers) -> Scene:
    layers = body.get("layers") or {}
    return Scene(
        data=base64.b64decode(body["image"]["b64_json"]),
        format=body["image"]["format"],
        seeds=body["seeds"],
        merge=body["merge"],
        degraded=body["degraded"],
        timings_ms=body["timings_ms"],
        backend=headers.get("x-backend", ""),
        request_id=body["id"],
        layers={name: base64.b64decode(picture["b64_json"]) for name, picture in layers.items()},
        warnings=body.get("warnings", []),
    )
