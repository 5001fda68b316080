"""Accessibility: axe finds nothing serious in any state, light or dark, and a phone is wide enough."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.support.accessibility import serious
from tests.support.page_actions import OpenPage, paint, painted, steps


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_serious(open_page: OpenPage, scheme: str) -> None:
    # Without reduced motion the scene fades in, and has too little contrast meanwhile.
    page = open_page(color_scheme=scheme, reduced_motion="reduce")
    assert serious(page) == []
    steps(page, "151")
    page.get_by_text("Connection", exact=True).click()
    paint(page)
    expect(page.get_by_role("alert")).to_be_visible()
    assert serious(page) == []
    for layer in ("character", "background"):
        page.locator(f"#{layer}-steps").fill("2")
    paint(page)
    painted(page)
    assert serious(page) == []
    page.get_by_role("radio", name="Story").check()
    assert serious(page) == []


@pytest.mark.parametrize("width", [320, 390])
def test_a_phone(open_page: OpenPage, width: int) -> None:
    page = open_page(viewport={"width": width, "height": 780}, has_touch=True, is_mobile=True)
    steps(page, "2")
    fits = "document.documentElement.scrollWidth <= document.documentElement.clientWidth"
    assert page.evaluate(fits)
    page.get_by_role("button", name="Paint", exact=True).tap()
    painted(page)
    assert page.evaluate(fits)
    book, options = page.locator("#viewer").bounding_box(), page.locator(".options").bounding_box()
    assert book and options and book["y"] < options["y"], "the picture is above the options"
