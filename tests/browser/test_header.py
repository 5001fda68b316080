"""The status line: which models paint, whether the service is ready, and whether it can be reached."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, Route, expect

from tests.support.page_actions import paint


def header(page: Page) -> str:
    return page.locator("#service").inner_text()


def test_simulated_mode_is_named(page: Page) -> None:
    expect(page.locator("#service")).to_have_text("Ready · simulated pictures, no model")


def test_a_service_that_dies_and_comes_back(page: Page) -> None:
    """The page checks again without a click."""
    page.route("**/readyz", lambda route: route.abort())
    expect(page.locator("#service")).to_have_text("No connection to the service")
    page.unroute("**/readyz")
    expect(page.locator("#service")).to_contain_text("Ready")


def test_a_failed_request_is_seen_at_the_top_at_once(page: Page) -> None:
    page.clock.install()  # Time stops here: only the failed request makes the page check.
    page.route("**/*", lambda route: route.abort())
    paint(page)
    expect(page.locator("#service")).to_have_text("No connection to the service")


@pytest.mark.parametrize(
    ("status", "body", "said"),
    [
        (
            503,
            {"error": {"code": "not_ready", "message": "a replica restarts"}},
            "Not ready: a replica restarts",
        ),
        (502, "<html>Bad gateway</html>", "Not ready: The service responded with HTTP 502."),
        (200, {"status": "degraded", "backend": "diffusers"}, "Ready, but degraded"),
        (200, {"status": "ready"}, "Ready · storybook-character · storybook-background"),
    ],
)
def test_what_it_says_of_itself(page: Page, status: int, body: object, said: str) -> None:
    def ready(route: Route) -> None:
        route.fulfill(status=status, body=body) if isinstance(body, str) else route.fulfill(
            status=status, json=body
        )

    page.route("**/readyz", ready)
    expect(page.locator("#service")).to_contain_text(said)


def test_a_service_that_requires_a_key_says_so(page: Page) -> None:
    refusal = {"error": {"code": "unauthenticated", "message": "send a key"}}
    page.route("**/v1/models", lambda route: route.fulfill(status=401, json=refusal))
    page.reload()
    expect(page.locator("#service")).to_contain_text("needs an API key")
    page.unroute("**/v1/models")
    page.get_by_text("Connection", exact=True).click()
    page.get_by_label("API key").fill("sw_1")
    page.get_by_label("API key").blur()
    expect(page.locator("#service")).not_to_contain_text("needs an API key")
    assert "Ready" in header(page)
