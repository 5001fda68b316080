"""The edge behind a real nginx under /paint, which strips the prefix or keeps it: keys, names, links."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import urljoin

import httpx
import pytest

from serve.auth.key_store import open_keys
from serve.config.service_config import ServiceConfig
from serve.graph.scene import Graph
from serve.ingress import build_http
from tests.support.guarded_routes import GUARDED
from tests.support.local_service import listening, mounted, served
from tests.support.nginx import PREFIX, nginx
from tests.support.scene_requests import SCENE, SMALL, error_of

WAYS = ("X-Forwarded-Prefix", "root_path", "route_prefix")
Start = Callable[..., str]


@pytest.fixture
def start(config: ServiceConfig, graph: Graph, tmp_path: Path) -> Iterator[Start]:
    """`start(way, authentication, headers)`: the address behind nginx; the edge knows its prefix by `way`."""
    with ExitStack() as leaving:

        def start(way: str, authentication: str, headers: str = "") -> str:
            settings = {"state_dir": str(tmp_path), "authentication": authentication}
            app = served(build_http(config.model_copy(update=settings), graph))
            if way == "route_prefix":
                app = mounted(app, PREFIX)
            upstream = leaving.enter_context(listening(app, PREFIX if way == "root_path" else ""))
            if way == "X-Forwarded-Prefix":
                headers += f"proxy_set_header X-Forwarded-Prefix {PREFIX};"
            return leaving.enter_context(
                nginx(upstream, tmp_path, strip=way != "route_prefix", headers=headers)
            )

        yield start


@pytest.mark.parametrize("way", WAYS)
def test_keys_are_required_and_addresses_lead_back(start: Start, way: str, tmp_path: Path) -> None:
    key = open_keys(tmp_path).create("x", ("admin",))[1]
    base = start(way, "required")
    with httpx.Client(trust_env=False) as http:
        for path in ("/", "/static/main.js", "/healthz", "/readyz", "/openapi.json"):
            assert http.get(f"{base}{path}").status_code == 200
        assert http.get(base, follow_redirects=True).url == f"{base}/"
        for method, path in GUARDED:
            url = httpx.URL(base).copy_with(raw_path=f"{PREFIX}{path}".encode())
            response = http.request(method, url)
            # nginx resolves dots and slashes itself: // may lead to the page, and .. to nginx's own 404.
            is_page = response.text.startswith("<!doctype html>")
            assert response.status_code == 401 or is_page or "nginx" in response.text, (path, response.text)
            assert response.status_code == 401 or not path.startswith("/v1/")
        http.headers["Authorization"] = f"Bearer {key}"
        submitted = http.post(f"{base}/v1/jobs", json={"scenes": [SCENE]})
        place = urljoin(f"{base}/v1/jobs", submitted.headers["location"])
        assert place == f"{base}/v1/jobs/{submitted.json()['id']}"
        assert http.get(place).json()["total"] == 1


def test_a_name_that_nginx_passes_on_is_checked(start: Start) -> None:
    base = start("route_prefix", "off", "proxy_set_header Host $http_host;")
    for host, status in (("localhost", 200), ("page.example", 400)):
        response = httpx.get(f"{base}/v1/models", headers={"Host": host}, trust_env=False)
        assert response.status_code == status


@pytest.mark.parametrize("reported", [True, False])
def test_the_page_s_own_origin_behind_another_host_s_name(start: Start, reported: bool) -> None:
    """nginx sends the address in `proxy_pass` as Host; over plain HTTP a browser may send only Origin."""
    base = start("route_prefix", "off", "proxy_set_header X-Forwarded-Host $http_host;" if reported else "")
    with httpx.Client(trust_env=False, headers={"Host": "paint.example"}) as http:
        for origin, status in (
            ("http://paint.example", 200 if reported else 403),
            ("http://page.example", 403),
        ):
            response = http.post(f"{base}/v1/backgrounds", json=SMALL, headers={"Origin": origin})
            assert response.status_code == status
        same = {"Origin": "http://paint.example", "Sec-Fetch-Site": "same-origin"}
        assert http.post(f"{base}/v1/backgrounds", json=SMALL, headers=same).status_code == 200
        assert error_of(http.post(f"{base}/v1/jobs", headers={"Origin": "null"}))["code"] == "forbidden"
