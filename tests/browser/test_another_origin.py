"""A page of another origin paints with a token and the TypeScript client, if its origin is allowed."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import Browser

from serve.auth.key_store import open_keys
from serve.config.service_config import ServiceConfig
from serve.ingress import build_http
from tests.support.client_js import built
from tests.support.local_service import listening, local_graph, served, simulated_config

PAGE = """<!doctype html><meta charset="utf-8"><title>A game</title><img id="picture" alt="">
<script type="module">
import { Scenewright, sourceOf } from "./dist/index.js";
window.paint = async (address, token, url) => {
  const client = new Scenewright(address, { token: async () => token });
  const names = [];
  const layer = { prompt: "a", steps: 2, width: 64, height: 64 };
  const output = url ? { as: "url" } : {};
  const request = { character: layer, background: layer, merge: { width: 128, height: 64 }, output };
  try {
    for await (const event of client.sceneEvents(request)) {
      names.push(event.event);
      if (event.event === "scene.completed") {
        const picture = document.getElementById("picture");
        picture.src = sourceOf(event.data.image);
        await picture.decode();
        return { names, width: picture.naturalWidth, source: picture.src };
      }
    }
  } catch (error) {
    return { names, code: error.code, status: error.status, message: error.message };
  }
};
window.ready = true;
</script>
"""


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *arguments: Any) -> None:
        return


@contextmanager
def site(folder: Path) -> Iterator[str]:
    """Serve the folder as a site; yield its origin."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def game(tmp_path: Path) -> Iterator[str]:
    (tmp_path / "site").mkdir()
    (tmp_path / "site/dist").symlink_to(built())
    (tmp_path / "site/index.html").write_text(PAGE)
    with site(tmp_path / "site") as origin:
        yield origin


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., tuple[str, str]]]:
    """`start(*origins, authentication)`: start a service; return its address and a key."""
    key = open_keys(tmp_path).create("game", ("generate",))[1]
    with ExitStack() as leaving:

        def start(*origins: str, authentication: str = "required") -> tuple[str, str]:
            own = {"state_dir": str(tmp_path), "authentication": authentication, "allowed_origins": origins}
            config = ServiceConfig.model_validate(simulated_config().model_dump() | own)
            app = served(build_http(config, local_graph(config)))
            return leaving.enter_context(listening(app)), key

        yield start


def paint(browser: Browser, origin: str, address: str, token: str, url: bool = False) -> dict[str, Any]:
    context = browser.new_context()
    try:
        page = context.new_page()
        page.goto(f"{origin}/index.html")
        page.wait_for_function("window.ready")
        done = page.evaluate(f"window.paint({json.dumps(address)}, {json.dumps(token)}, {json.dumps(url)})")
        return dict(done)
    finally:
        context.close()


def test_an_allowed_page_paints_by_a_token(
    browser: Browser, game: str, start: Callable[..., tuple[str, str]]
) -> None:
    address, key = start(game)
    minted = httpx.post(
        f"{address}/v1/tokens",
        json={"budget": {"requests": 2}},
        headers={"Authorization": f"Bearer {key}"},
        trust_env=False,
    )
    assert minted.status_code == 201, minted.text
    token = minted.json()["token"]
    painted = paint(browser, game, address, token)
    assert painted["width"] == 128, painted
    assert painted["names"][-1] == "scene.completed"
    assert "layer.progress" in painted["names"]
    linked = paint(browser, game, address, token, url=True)
    assert linked["width"] == 128, linked
    assert linked["source"].startswith(f"{address}/v1/results/")
    spent = paint(browser, game, address, token)
    assert (spent["code"], spent["status"]) == ("rate_limited", 429), spent


def test_a_page_that_is_not_allowed_reads_nothing(
    browser: Browser, game: str, start: Callable[..., tuple[str, str]]
) -> None:
    for authentication in ("required", "off"):
        address, key = start("https://game.example", authentication=authentication)
        refused = paint(browser, game, address, key)
        assert (refused["code"], refused["status"]) == ("unreachable", 0), refused


def test_an_allowed_page_paints_where_no_key_is_needed(
    browser: Browser, game: str, start: Callable[..., tuple[str, str]]
) -> None:
    address, _ = start(game, authentication="off")
    assert paint(browser, game, address, "")["width"] == 128
