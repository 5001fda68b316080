"""Composing painted layers differently, and the request that reproduces exactly what is on the screen."""

from __future__ import annotations

import re

import numpy as np
import pytest
from playwright.sync_api import Page, expect

from deployments.character import character_prompt
from tests.support.page_actions import (
    Change,
    OpenPage,
    body_of,
    change,
    copied_curl,
    on_the_screen,
    paint,
    painted,
    repeated,
    steps,
)


@pytest.fixture
def page(open_page: OpenPage) -> Page:
    return open_page(permissions=["clipboard-read", "clipboard-write"], accept_downloads=True)


CHANGES: dict[str, Change] = {
    "position": lambda page: page.get_by_role("radio", name="Left").check(),
    "harmony": lambda page: page.get_by_label("Harmony").fill("0"),
    "size": lambda page: page.get_by_label("Size of the figure").fill("0.6"),
    "frame": lambda page: page.get_by_label("Frame").select_option("512x768"),
    "shadow": lambda page: page.get_by_label("A shadow").uncheck(),
    "enhance": lambda page: page.get_by_label("Sharper").check(),
    "paste": lambda page: page.get_by_label("The figure is").select_option("paste"),
}


def test_the_copied_request_repeats_every_change(page: Page, url: str) -> None:
    steps(page, "2")
    paint(page)
    painted(page)
    np.testing.assert_array_equal(on_the_screen(page), repeated(url, body_of(copied_curl(page))))
    for name, act in CHANGES.items():
        change(page, act)
        shown, again = on_the_screen(page), repeated(url, body_of(copied_curl(page)))
        np.testing.assert_array_equal(shown, again, err_msg=name)


def test_a_moved_figure_leaves_nothing_behind_and_comes_back_the_same(page: Page) -> None:
    steps(page, "2")
    paint(page)
    painted(page)
    before = on_the_screen(page)
    page.get_by_label("A shadow").uncheck()
    change(page, lambda page: page.get_by_role("radio", name="Left").check())
    right = on_the_screen(page)[:, 600:].astype(int)
    # Outside figures and shadows, every row of the simulated sky has one colour.
    assert np.abs(np.diff(right[300:], axis=1)).max() <= 8
    page.get_by_label("A shadow").check()
    change(page, lambda page: page.get_by_role("radio", name="Right").check())
    np.testing.assert_array_equal(on_the_screen(page), before)


def test_what_is_pasted_is_the_rectangle_as_it_was_painted(page: Page, url: str) -> None:
    steps(page, "2")
    paint(page)
    painted(page)
    change(page, CHANGES["paste"])
    for name in ("Harmony", "Size of the figure", "A shadow"):
        expect(page.get_by_label(name)).to_be_disabled()
    corner = on_the_screen(page)[8:40, 1024 - 40 : 1024 - 8].astype(int)
    assert corner.min() > 200, "the figure's backdrop, and not the sky behind it"
    body = body_of(copied_curl(page))
    character = body["character"]
    assert isinstance(character, dict)
    prompt = character_prompt("a knight in silver armor with a red cape", plain_backdrop=True)
    assert (character["prompt"], character["enhance_prompt"]) == (prompt, False)
    change(page, lambda page: page.get_by_label("The figure is").select_option("auto"))
    expect(page.locator("#notes")).to_contain_text("Cut out with")
    assert "enhance_prompt" not in body_of(copied_curl(page))["character"]  # type: ignore[operator]


def test_the_size_slider_ends_where_it_ends_to_have_an_effect(page: Page) -> None:
    steps(page, "2")
    slider = page.get_by_label("Size of the figure")
    assert slider.get_attribute("max") == "1"
    page.get_by_label("Frame").select_option("512x768")
    paint(page)
    painted(page)
    largest = float(slider.get_attribute("max") or 0)
    assert largest > 1
    boxes = []
    for scale in (largest - 0.1, largest - 0.05, largest):
        with page.expect_response("**/v1/merges") as merged:
            slider.fill(f"{scale:.2f}")
        boxes.append(merged.value.json()["merge"]["box"][3])
        expect(page.locator("#viewer")).to_have_attribute("data-busy", "false")
    assert boxes[0] < boxes[1] < boxes[2]
    # The slider ends where the figure fills its frame, which differs from figure to figure.
    page.get_by_label("Frame").select_option("1024x512")
    paint(page)
    painted(page)
    expect(slider).to_have_attribute("max", re.compile(r"^1(\.05)?$"))


def test_a_key_is_named_in_the_copied_request_and_not_reported(page: Page) -> None:
    page.get_by_text("Connection", exact=True).click()
    page.get_by_label("API key").fill("sw_1_secret")
    steps(page, "2")
    paint(page)
    painted(page)
    command = copied_curl(page)
    assert '-H "Authorization: Bearer $SCENEWRIGHT_API_KEY"' in command
    assert "secret" not in command


def test_painting_one_layer_again_keeps_the_words_and_the_other_layer(page: Page, url: str) -> None:
    steps(page, "2")
    paint(page)
    painted(page)
    change(page, CHANGES["paste"])
    page.get_by_role("button", name="Paint the place again").click()
    painted(page)
    expect(page.get_by_label("Who is in it?")).to_have_value("a knight in silver armor with a red cape")
    body = body_of(copied_curl(page))
    np.testing.assert_array_equal(on_the_screen(page), repeated(url, body))
    change(page, lambda page: page.get_by_label("The figure is").select_option("auto"))
    np.testing.assert_array_equal(on_the_screen(page), repeated(url, body_of(copied_curl(page))))
