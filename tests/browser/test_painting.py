"""Painting one scene: from start to end, stopping it, errors, and what can be done with the picture."""

from __future__ import annotations

import json
import re
from threading import Event

import pytest
from playwright.sync_api import Page, expect

from tests.support.page_actions import OpenPage, paint, painted, seeds, steps


def test_both_layers_come_out_of_the_noise_and_then_the_scene(page: Page, held: Event) -> None:
    steps(page, "8")
    page.get_by_label("Who is in it?").fill("a fox in a blue coat")
    paint(page)
    for layer in ("character", "background"):
        expect(page.locator(f"#page-{layer} .step")).to_have_text("4 of 8")
        expect(page.locator(f"#page-{layer} img")).to_be_visible()
    expect(page.locator("#together img")).to_be_visible()
    expect(page.locator("#left")).to_have_text(re.compile("^about "))
    expect(page.locator("#scene")).to_be_hidden()
    held.clear()
    painted(page)
    scene = page.get_by_role("img", name="a fox in a blue coat, in front of a castle at sunset")
    assert scene.evaluate("image => [image.naturalWidth, image.naturalHeight]") == [1024, 512]
    expect(page.get_by_role("img", name="Place alone")).to_be_visible()


def test_stopping_ends_it_and_leaves_the_page_usable(page: Page, held: Event) -> None:
    steps(page, "2")
    paint(page)
    expect(page.locator("#page-character .step")).to_have_text("1 of 2")
    page.get_by_role("button", name="Stop").click()
    expect(page.get_by_text("Stopped.")).to_be_visible()
    expect(page.get_by_role("button", name="Stop")).to_be_hidden()
    held.clear()
    paint(page)
    painted(page)


def test_a_refusal_is_reported_at_the_field_at_fault(page: Page) -> None:
    steps(page, "151")
    paint(page)
    fault = page.get_by_role("alert")
    expect(fault).to_contain_text("between 1 and 150")
    expect(fault).to_contain_text("character.num_inference_steps")
    field = page.locator("#character-steps")
    expect(field).to_be_focused()
    expect(field).to_have_attribute("aria-invalid", "true")
    field.fill("2")
    expect(field).not_to_have_attribute("aria-invalid", "true")


@pytest.mark.usefixtures("crowded")
def test_a_fault_on_the_way_keeps_the_half_painted_layers(page: Page) -> None:
    """The cut-out fails, which is known only after both layers are painted."""
    page.get_by_label("The figure is").select_option("cutout")
    paint(page)
    expect(page.get_by_role("alert")).to_contain_text("The figure could not be cut out.")
    expect(page.locator("#page-character img")).to_be_visible()
    expect(page.get_by_role("button", name="Paint", exact=True)).to_be_enabled()


def test_a_service_that_is_gone(page: Page) -> None:
    page.route("**/v1/scenes*", lambda route: route.abort())
    paint(page)
    expect(page.get_by_role("alert")).to_contain_text("Is it running?")


def test_a_connection_that_breaks_half_way(page: Page) -> None:
    stream = 'event: layer.progress\ndata: {"layer":"character","step":1,"steps":9}\n\n'
    page.route("**/v1/scenes*", lambda route: route.fulfill(body=stream, content_type="text/event-stream"))
    paint(page)
    expect(page.get_by_role("alert")).to_contain_text("The connection was lost")


def test_a_key_is_requested_and_sent(page: Page) -> None:
    refusal = {"error": {"code": "unauthenticated", "message": "a key is needed"}}
    page.route("**/v1/scenes*", lambda route: route.fulfill(status=401, json=refusal))
    paint(page)
    key = page.get_by_label("API key")
    expect(key).to_be_focused()
    key.fill("secret")
    page.unroute("**/v1/scenes*")
    with page.expect_request("**/v1/scenes*") as requested:
        key.press("Enter")
    assert requested.value.headers["authorization"] == "Bearer secret"
    painted(page)


def test_empty_words_are_not_sent(page: Page) -> None:
    page.get_by_label("Where are they?").fill("  ")
    paint(page)
    expect(page.get_by_label("Where are they?")).to_be_focused()
    expect(page.get_by_role("alert")).to_contain_text("where they are")


def test_painting_one_layer_again_keeps_the_other_seed(page: Page) -> None:
    steps(page, "2")
    paint(page)
    painted(page)
    character, background = seeds(page)
    page.get_by_role("button", name="Paint the place again").click()
    expect(page.locator("#layers")).not_to_contain_text(f"seed {background}")
    painted(page)
    assert seeds(page)[0] == character


def test_the_keyboard_alone(page: Page, held: Event) -> None:
    steps(page, "2")
    page.get_by_label("Who is in it?").press("Control+Enter")
    expect(page.locator("#page-character .step")).to_have_text("1 of 2")
    page.keyboard.press("Escape")
    expect(page.get_by_text("Stopped.")).to_be_visible()


def test_curl_seeds_and_download(open_page: OpenPage) -> None:
    page = open_page(permissions=["clipboard-read", "clipboard-write"], accept_downloads=True)
    steps(page, "2")
    page.get_by_label("Who is in it?").fill("the queen's cat")
    paint(page)
    painted(page)
    character, background = seeds(page)
    page.get_by_role("button", name="Copy as curl").click()
    expect(page.get_by_text("Copied as a curl command.")).to_be_visible()
    command = page.evaluate("navigator.clipboard.readText()")
    requested = json.loads(re.search("-d '(.*)' -o", command)[1].replace("'\\''", "'"))  # type: ignore[index]
    assert requested["character"]["prompt"] == "the queen's cat"
    assert (requested["character"]["seed"], requested["background"]["seed"]) == (
        int(character),
        int(background),
    )
    page.get_by_role("button", name="Copy seeds").click()
    expect(page.get_by_text("Seeds copied.")).to_be_visible()
    assert (
        page.evaluate("navigator.clipboard.readText()") == f"character={character}; background={background}"
    )
    page.get_by_role("button", name="Keep these seeds").click()
    expect(page.locator("#character-seed")).to_have_value(character)
    with page.expect_download() as download:
        page.get_by_role("link", name="Download").click()
    assert download.value.suggested_filename == f"scene-{character}-{background}.jpg"
    assert download.value.path().read_bytes().startswith(b"\xff\xd8")
