"""The examples of docs/guides/proxies.md before a service: streams are not buffered, jobs do not block.

No time is measured: the painting is paused for as long as a test needs.
"""

from __future__ import annotations

import os
import re
import shutil
import socket
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from tests.support.certificates import make_pair
from tests.support.local_service import REPOSITORY, service, simulated_config
from tests.support.nginx import NO_NGINX, UNPACKED, listens
from tests.support.polling import until
from tests.support.scene_requests import SCENE, SMALL
from tests.support.sketches import HELD, SketchedBackground, SketchedCharacter

GUIDE = (REPOSITORY / "docs/guides/proxies.md").read_text(encoding="utf-8")
NO_CADDY = "no caddy here: its example was NOT tested (Debian, Ubuntu: apt install caddy)"
Start = Callable[[str], str]


def example(language: str) -> str:
    (found,) = re.findall(rf"^```{language}\n(.*?)^```", GUIDE, re.M | re.S)
    return str(found)


def changed(text: str, old: str, new: str) -> str:
    assert text.count(old) == 1, old
    return text.replace(old, new)


@pytest.fixture(scope="module")
def upstream(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    config = simulated_config().model_copy(update={"state_dir": str(tmp_path_factory.mktemp("state"))})
    with service(config, SketchedCharacter, SketchedBackground) as address:
        yield address


@contextmanager
def started(command: list[str], port: int, **environment: str) -> Iterator[str]:
    process = subprocess.Popen(command, env={**os.environ, **environment}, stderr=subprocess.DEVNULL)
    try:
        until(lambda: listens(port, process), timeout_s=60)
        yield f"https://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(30)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def nginx(upstream: str, folder: Path, read_timeout: str = "150s") -> Iterator[str]:
    program = shutil.which("nginx", path=os.pathsep.join([os.environ["PATH"], "/usr/sbin", str(UNPACKED)]))
    if program is None:
        pytest.skip(NO_NGINX)
    pair, port = make_pair(folder), free_port()
    server = changed(example("nginx"), "listen 443 ssl;", f"listen 127.0.0.1:{port} ssl;")
    server = changed(server, "/etc/ssl/paint.pem", str(pair.certificate))
    server = changed(server, "/etc/ssl/paint.key", str(pair.key))
    server = changed(server, "http://127.0.0.1:8000", upstream)
    server = changed(server, "proxy_read_timeout 150s", f"proxy_read_timeout {read_timeout}")
    user = "user root;" if os.geteuid() == 0 else ""
    temporary = "".join(
        f"{name}_temp_path {folder}/{name};" for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    main = f"daemon off; pid {folder}/pid; worker_processes 1; {user} events {{ }}"
    (folder / "nginx.conf").write_text(f"{main}\nhttp {{ access_log off; {temporary}\n{server} }}\n")
    command = [program, "-e", str(folder / "log"), "-p", str(folder), "-c", str(folder / "nginx.conf")]
    with started(command, port) as address:
        yield address


@contextmanager
def caddy(upstream: str, folder: Path) -> Iterator[str]:
    unpacked = UNPACKED.parent / "caddy"
    program = shutil.which("caddy", path=os.pathsep.join([os.environ["PATH"], str(unpacked)]))
    if program is None:
        pytest.skip(NO_CADDY)
    pair, port = make_pair(folder), free_port()
    site = changed(example("caddyfile"), "paint.example.com {", f"https://127.0.0.1:{port} {{")
    site = changed(site, "127.0.0.1:8000", upstream.removeprefix("http://"))
    site = site.replace("{\n", f"{{\n    tls {pair.certificate} {pair.key}\n", 1)
    options = "{\n admin off\n auto_https disable_redirects\n skip_install_trust\n}\n"
    (folder / "Caddyfile").write_text(options + site)
    command = [program, "run", "--config", str(folder / "Caddyfile"), "--adapter", "caddyfile"]
    home = {"HOME": str(folder), "XDG_DATA_HOME": str(folder), "XDG_CONFIG_HOME": str(folder)}
    with started(command, port, **home) as address:
        yield address


@pytest.fixture(params=["nginx", "caddy"])
def address(request: pytest.FixtureRequest, upstream: str, tmp_path: Path) -> Iterator[str]:
    with {"nginx": nginx, "caddy": caddy}[request.param](upstream, tmp_path) as found:
        yield found


@pytest.fixture
def held() -> Iterator[threading.Event]:
    HELD.set()
    yield HELD
    HELD.clear()


def client(folder: Path) -> httpx.Client:
    trusted = ssl.create_default_context(cafile=str(next(folder.glob("*certificate*.pem"))))
    return httpx.Client(verify=trusted, trust_env=False, timeout=120)


LONG = {**SMALL, "steps": 4}


def test_a_stream_comes_piece_by_piece(address: str, held: threading.Event, tmp_path: Path) -> None:
    with client(tmp_path) as http:
        body = {**SCENE, "character": LONG, "background": LONG}
        events = {"Accept": "text/event-stream"}
        with http.stream("POST", f"{address}/v1/scenes", json=body, headers=events) as stream:
            assert stream.status_code == 200, stream.read()
            lines = stream.iter_lines()
            assert any("layer.progress" in line for line in lines), "before anything is painted"
            held.clear()
            assert any("scene.completed" in line for line in lines)


def test_links_begin_with_the_proxy_s_own_address(address: str, tmp_path: Path) -> None:
    with client(tmp_path) as http:
        painted = http.post(f"{address}/v1/backgrounds", json={**SMALL, "output": {"as": "url"}})
        assert painted.status_code == 200, painted.text
        url = painted.json()["image"]["url"]
        assert url.startswith(f"{address}/v1/results/")
        assert http.get(url).headers["content-type"] == "image/jpeg"


def test_what_is_silent_for_too_long_is_cut_off_and_a_job_is_not(
    upstream: str, held: threading.Event, tmp_path: Path
) -> None:
    with nginx(upstream, tmp_path, "1s") as address, client(tmp_path) as http:
        cut = http.post(f"{address}/v1/backgrounds", json=LONG)
        assert (cut.status_code, "nginx" in cut.text) == (504, True)
        later = http.post(f"{address}/v1/backgrounds", json=LONG, headers={"Prefer": "respond-async"})
        assert later.status_code == 202, later.text
        assert http.get(f"{address}{later.headers['location']}").json()["status"] == "queued"
