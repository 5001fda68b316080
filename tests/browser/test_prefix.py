"""The page behind nginx, under /paint/ of a shared host: all its requests stay below that path."""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.support.local_service import local_graph, simulated_config, with_worker
from tests.support.nginx import PREFIX, nginx
from tests.support.page_actions import OpenPage, paint, painted, steps

Service = Callable[[str], AbstractContextManager[str]]


@pytest.fixture
def service(tmp_path: Path) -> Service:
    """Return `service(route_prefix)`, which runs the service with a worker for its jobs."""
    config = simulated_config().model_copy(update={"state_dir": str(tmp_path)})
    return partial(with_worker, config, local_graph(config))


@pytest.mark.parametrize(
    ("tls", "strip"), [(False, True), (True, True), (True, False)], ids=["http", "https", "route_prefix"]
)
def test_everything_that_the_page_does(
    service: Service, open_page: OpenPage, tls: bool, strip: bool, tmp_path: Path
) -> None:
    requested: list[str] = []
    with service("" if strip else PREFIX) as upstream, nginx(upstream, tmp_path, strip, tls) as base:
        page = open_page(
            address=base if not strip else f"{base}/",
            requested=requested,
            ignore_https_errors=True,
            permissions=["clipboard-read", "clipboard-write"],
        )
        steps(page, "2")
        paint(page)
        painted(page)
        with page.expect_response("**/v1/merges") as merged:
            page.get_by_role("radio", name="Left").check()
        assert merged.value.ok, merged.value.text()
        page.get_by_role("button", name="Copy as curl").click()
        expect(page.get_by_text("Copied as a curl command.")).to_be_visible()
        command = page.evaluate("navigator.clipboard.readText()")
        page.get_by_role("radio", name="Story").check()
        page.get_by_label("One page per line").fill("a knight | a castle\na wizard | a cave")
        paint(page)
        expect(page.get_by_text("All 2 pages painted.")).to_be_visible()
        with page.expect_download():
            page.get_by_role("button", name="PDF").click()
        page.reload()
        page.get_by_text("Ready").wait_for()
        expect(page.get_by_text("All 2 pages painted.")).to_be_visible()
    assert f"curl -s '{base}/v1/scenes' " in command
    if not strip:
        assert requested.pop(0) == base, "the page was redirected to /paint/"
    paths = {url.removeprefix(f"{base}/").split("?")[0] for url in requested if not url.startswith("blob:")}
    assert {"", "readyz", "v1/scenes", "v1/merges", "v1/stories", "static/grain.svg"} <= paths
    assert any(re.fullmatch("v1/stories/[0-9a-f]{32}/pages/0", path) for path in paths)
    assert any(re.fullmatch("v1/stories/[0-9a-f]{32}/book.pdf", path) for path in paths)
    assert not [path for path in paths if ":" in path], "no request went outside /paint/"
