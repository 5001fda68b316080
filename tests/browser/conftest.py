"""The page in a real headless Chromium, over real HTTP and the graph with simulated generators."""

from __future__ import annotations

import os
import shutil
import threading
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from tests.support.local_service import service, simulated_config
from tests.support.page_actions import PATIENCE_MS, STEP_S, OpenPage
from tests.support.sketches import CROWDED, HELD, SketchedBackground, SketchedCharacter

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
NO_BROWSER = "no Chromium here: the page was NOT tested (Debian, Ubuntu: apt install chromium)"
expect.set_options(timeout=PATIENCE_MS)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "tests/browser/" in item.path.as_posix():
            item.add_marker(pytest.mark.browser)
            item.add_marker(pytest.mark.timeout(300))


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Open the browser for one module: Playwright's event loop blocks any other loop in this thread."""
    program = next(filter(None, map(shutil.which, NAMES)), None)
    if program is None:
        pytest.skip(NO_BROWSER)
    # Chromium's sandbox does not work for root, and CI often runs as root.
    arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=arguments)
        yield browser
        browser.close()


@pytest.fixture
def held() -> Iterator[threading.Event]:
    """Pause the painting; clearing the event lets it continue."""
    HELD.set()
    yield HELD
    HELD.clear()


@pytest.fixture
def crowded() -> Iterator[None]:
    CROWDED.set()
    yield
    CROWDED.clear()


@pytest.fixture(scope="session")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    state_dir = str(tmp_path_factory.mktemp("state"))
    config = simulated_config(STEP_S).model_copy(update={"state_dir": state_dir})
    with service(config, SketchedCharacter, SketchedBackground) as address:
        yield address


@pytest.fixture
def open_page(browser: Browser, url: str) -> Iterator[OpenPage]:
    """`open_page(viewport=…)`: open the page, wait until it is ready. Its errors fail the test at the end.

    `address` is the page's URL, by default the service's; `requested` collects the URLs that it requests;
    `before` is called with the page before it is opened.
    """
    contexts: list[BrowserContext] = []
    faults: list[str] = []

    def open_(
        address: str = url,
        requested: list[str] | None = None,
        before: Callable[[Page], object] = lambda page: None,
        **options: object,
    ) -> Page:
        context = browser.new_context(**{"viewport": {"width": 1280, "height": 900}, **options})  # type: ignore[arg-type]
        contexts.append(context)
        context.set_default_timeout(PATIENCE_MS)
        page = context.new_page()
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.on("console", lambda said: faults.append(said.text) if "Security Policy" in said.text else None)
        if requested is not None:
            page.on("request", lambda request: requested.append(request.url))
        before(page)
        page.goto(address)
        page.get_by_text("Ready").wait_for()
        return page

    yield open_
    for context in contexts:
        for page in context.pages:
            page.unroute_all(behavior="ignoreErrors")  # One may be fetching, and would fail the next test.
        context.close()
    assert faults == []


@pytest.fixture
def page(open_page: OpenPage) -> Page:
    return open_page()
