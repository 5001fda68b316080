"""Several figures in a scene: added in the form, moved with a pointer and by keyboard, to front and back."""

from __future__ import annotations

import numpy as np
import pytest
from playwright.sync_api import Page, expect

from tests.support.page_actions import (
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


def place_of(page: Page, number: int) -> int:
    """Return the figure's position in percent of the picture's width."""
    return round(100 * float(page.get_by_label(f"Position of figure {number}").input_value()))


def test_a_figure_is_added_moved_and_set_before_another(page: Page, url: str) -> None:
    steps(page, "2")
    page.get_by_role("button", name="Add a figure").click()
    expect(page.get_by_label("And who else? Figure 2")).to_be_focused()
    page.keyboard.type("a green dragon")
    paint(page)
    painted(page)
    one, other = place_of(page, 1), place_of(page, 2)
    assert one < 50 < other, "the figures are side by side"
    body = body_of(copied_curl(page))
    assert [each["prompt"] for each in body["characters"]][1] == "a green dragon"  # type: ignore[attr-defined]
    np.testing.assert_array_equal(on_the_screen(page), repeated(url, body))

    page.get_by_label("Position of figure 2").focus()
    change(page, lambda page: page.keyboard.press("ArrowLeft"))
    assert place_of(page, 2) == other - 1
    expect(page.get_by_label("Position of figure 2")).to_be_focused()

    page.locator("#scene img").scroll_into_view_if_needed()
    picture = page.locator("#scene img").bounding_box()
    assert picture is not None
    y = picture["y"] + 0.7 * picture["height"]

    def drag(page: Page) -> None:
        page.mouse.move(picture["x"] + one / 100 * picture["width"], y)
        page.mouse.down()
        page.mouse.move(picture["x"] + 0.5 * picture["width"], y, steps=4)
        page.mouse.move(picture["x"] + (other - 8) / 100 * picture["width"], y, steps=4)
        page.mouse.up()

    change(page, drag)
    assert place_of(page, 1) == pytest.approx(other - 8, abs=1)
    behind = on_the_screen(page)
    change(page, lambda page: page.get_by_role("button", name="Figure 1 to the front").click())
    before = on_the_screen(page)
    assert not np.array_equal(behind, before)
    np.testing.assert_array_equal(before, repeated(url, body_of(copied_curl(page))))
    change(page, lambda page: page.get_by_role("button", name="Figure 1 to the back").click())
    np.testing.assert_array_equal(on_the_screen(page), behind)

    page.reload()
    page.get_by_text("Ready").wait_for()
    expect(page.get_by_label("And who else? Figure 2")).to_have_value("a green dragon")
    page.get_by_role("button", name="Remove figure 2").click()
    expect(page.get_by_label("And who else? Figure 2")).to_have_count(0)
