"""What was made is kept across reloads, opened again, and removed."""

from __future__ import annotations

from playwright.sync_api import Page, expect

from .test_painting import paint, painted, seeds, steps


def test_a_scene_is_there_after_a_reload_with_all_that_made_it(page: Page) -> None:
    steps(page, "3")
    page.get_by_label("Who is in it?").fill("a fox")
    page.get_by_label("Harmony").fill("0.2")
    paint(page)
    painted(page)
    before = seeds(page)
    page.reload()
    expect(page.get_by_text("Once upon a time")).to_be_visible()
    page.get_by_role("button", name="a fox, a castle at sunset").first.click()
    expect(page.get_by_role("img", name="a fox, before a castle at sunset")).to_be_visible()
    expect(page.get_by_label("Who is in it?")).to_have_value("a fox")
    expect(page.get_by_label("Harmony")).to_have_value("0.2")
    expect(page.locator("#character-steps")).to_have_value("3")
    expect(page.get_by_role("img", name="Character alone")).to_be_visible()
    assert seeds(page) == before
    page.get_by_role("button", name="Remove: a fox").click()
    expect(page.locator("#gallery > li")).to_have_count(0)
    page.reload()
    expect(page.get_by_text("Nothing yet.")).to_be_visible()
