"""Errors are shown in sentences, at the field that they concern, with a way to continue."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from tests.support.page_actions import paint, painted, steps


def refuse(page: Page, status: int, code: str, message: str, **more: object) -> None:
    error = {"code": code, "message": message, "request_id": "r1", **more}
    headers = {"Retry-After": "3"} if status in (429, 503) else {}
    page.route(
        "**/v1/scenes*", lambda route: route.fulfill(status=status, json={"error": error}, headers=headers)
    )


NOT_ACCEPTED = "This API key was not accepted."
ANOTHER = "Enter another one under Connection."


@pytest.mark.parametrize(
    ("status", "code", "message", "said"),
    [
        (401, "unauthenticated", "this key is unknown", f"{NOT_ACCEPTED} This key is unknown. {ANOTHER}"),
        (401, "unauthenticated", "this key was revoked", f"{NOT_ACCEPTED} This key was revoked. {ANOTHER}"),
        (401, "unauthenticated", "this key expired", f"{NOT_ACCEPTED} This key expired. {ANOTHER}"),
        (403, "forbidden", "this key may not paint", "Not allowed. This key may not paint. Enter a key that"),
        (429, "rate_limited", "its quota is spent", "This key has reached its limit. Its quota is spent."),
    ],
)
def test_faults_of_a_key(page: Page, status: int, code: str, message: str, said: str) -> None:
    page.get_by_text("Connection", exact=True).click()
    page.get_by_label("API key").fill("sw_1_secret")
    page.get_by_text("Connection", exact=True).click()
    refuse(page, status, code, message)
    paint(page)
    expect(page.get_by_role("alert")).to_contain_text(said)
    assert "sw_1_secret" not in page.get_by_role("alert").inner_text()
    if status in (401, 403):
        expect(page.get_by_label("API key")).to_be_focused()


def test_a_key_is_missing(page: Page) -> None:
    refuse(page, 401, "unauthenticated", "send a key: Authorization: Bearer sw_…")
    paint(page)
    expect(page.get_by_role("alert")).to_contain_text("An API key is needed. Enter yours under Connection.")


def test_a_key_that_cannot_be_sent(page: Page) -> None:
    page.get_by_text("Connection", exact=True).click()
    page.get_by_label("API key").fill("pässword €")
    paint(page)
    expect(page.get_by_role("alert")).to_contain_text("A key contains only letters, digits, - and _.")


def test_a_busy_service_is_requested_again_by_a_button(page: Page) -> None:
    refuse(page, 503, "not_ready", "the character's model is being loaded")
    steps(page, "2")
    paint(page)
    fault = page.get_by_role("alert")
    expect(fault).to_contain_text("The service is not ready. The character's model is being loaded.")
    expect(fault).to_contain_text("You can try again in 3 s.")
    expect(fault).to_contain_text("You can try again now.")
    page.unroute("**/v1/scenes*")
    page.get_by_role("button", name="Try again").click()
    painted(page)
    expect(fault).to_be_hidden()


def test_a_field_at_fault_is_called_by_its_label(page: Page) -> None:
    steps(page, "151")
    paint(page)
    field = page.locator("#character-steps")
    expect(page.get_by_role("alert")).to_contain_text("Steps of the character must be between 1 and 150.")
    expect(field).to_have_accessible_description("Steps of the character must be between 1 and 150.")
    field.fill("2")
    expect(page.locator(".at-fault")).to_have_count(0)


def test_a_fault_in_a_story_is_reported_at_its_control(page: Page) -> None:
    page.get_by_text("Painting", exact=True).click()
    page.locator("#background-steps").fill("151")
    page.get_by_role("radio", name="Story").check()
    paint(page)
    expect(page.get_by_role("alert")).to_contain_text("Steps of the place must be between 1 and 150.")
    expect(page.locator("#background-steps")).to_be_focused()


def test_a_description_at_fault_is_called_by_its_page(page: Page) -> None:
    page.get_by_role("radio", name="Story").check()
    page.get_by_label("One page per line").fill(f"a fox | a wood\n{'x' * 5000} | a lake")
    paint(page)
    expect(page.get_by_role("alert")).to_contain_text("The description of page 2 must be at most")
    expect(page.get_by_label("One page per line")).to_be_focused()


@pytest.mark.parametrize("code", ["payload_too_large", "something_new"])
def test_a_code_without_words_of_its_own_still_makes_sentences(page: Page, code: str) -> None:
    refuse(page, 413, code, "the body is over 1 MiB")
    paint(page)
    expect(page.get_by_role("alert")).to_contain_text("The body is over 1 MiB.")
