"""A painted story: its pictures can be composed, and finished pictures survive a reload."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from playwright.sync_api import Page, Route, expect

from tests.support.local_service import local_graph, simulated_config, with_worker
from tests.support.page_actions import (
    OpenPage,
    body_of,
    change,
    copied_curl,
    enter_story,
    on_the_screen,
    paint,
    repeated,
    steps,
)

STORY = "# two scenes\n\na knight | a castle | Once.\n| a forest | Twice."


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    config = simulated_config().model_copy(update={"state_dir": str(tmp_path_factory.mktemp("state"))})
    with with_worker(config, local_graph(config)) as address:
        yield address


@pytest.fixture
def page(open_page: OpenPage) -> Page:
    return open_page(permissions=["clipboard-read", "clipboard-write"], accept_downloads=True)


def all_painted(page: Page) -> None:
    expect(page.get_by_text("All 2 pages painted.")).to_be_visible()


def test_a_storyboards_picture_is_composed_and_stays_so(page: Page, url: str) -> None:
    enter_story(page, STORY)
    all_painted(page)
    page.get_by_role("button", name="Open page 1").click()
    expect(page.get_by_role("img", name="Place alone")).to_be_visible()
    expect(page.locator("#notes")).to_contain_text("Cut out with")
    change(page, lambda page: page.get_by_role("radio", name="Left").check())
    composed = on_the_screen(page)
    np.testing.assert_array_equal(composed, repeated(url, body_of(copied_curl(page))))
    page.get_by_role("button", name="Open page 2").click()
    expect(page.get_by_role("radio", name="Right")).to_be_checked()
    page.reload()
    all_painted(page)
    page.get_by_role("button", name="Open page 1").click()
    expect(page.get_by_role("radio", name="Left")).to_be_checked()
    np.testing.assert_array_equal(on_the_screen(page), composed)
    change(page, lambda page: page.get_by_role("radio", name="Right").check())


def lose_layers(page: Page) -> None:
    page.evaluate(
        """() => new Promise((resolve) => {
          indexedDB.open("scenewright").onsuccess = ({ target }) => {
            const clearing = target.result.transaction("layers", "readwrite");
            clearing.objectStore("layers").clear();
            clearing.oncomplete = resolve;
          };
        })"""
    )


def test_layers_that_this_browser_has_lost_come_from_the_service(page: Page) -> None:
    enter_story(page, STORY)
    all_painted(page)
    lose_layers(page)
    page.get_by_role("button", name="Open page 1").click()
    change(page, lambda page: page.get_by_role("radio", name="Left").check())


def test_the_page_that_was_opened_last_is_shown_even_if_another_comes_later(page: Page) -> None:
    enter_story(page, STORY)
    all_painted(page)
    lose_layers(page)
    held: list[Route] = []
    page.route("**/v1/stories/*/pages/0", lambda route: held.append(route))
    page.get_by_role("button", name="Open page 1").click()
    expect(page.get_by_role("radio", name="Left")).to_be_disabled()
    page.get_by_role("button", name="Open page 2").click()
    picture = page.get_by_role("img", name="a knight, in front of a forest")
    expect(picture).to_be_visible()
    with page.expect_response("**/v1/stories/*/pages/0"):
        held[0].continue_()
    change(page, lambda page: page.get_by_role("radio", name="Left").check())
    expect(picture).to_be_visible()


def test_a_reload_keeps_the_words_the_tab_and_what_was_removed(page: Page) -> None:
    enter_story(page, STORY)
    page.get_by_text("About the book").click()
    page.get_by_label("Story seed").fill("7")
    all_painted(page)
    page.get_by_role("button", name="Remove: a knight, a forest").click()
    expect(page.locator("#gallery > li")).to_have_count(1)
    page.reload()
    all_painted(page)
    expect(page.get_by_role("radio", name="Story")).to_be_checked()
    expect(page.get_by_label("One page per line")).to_have_value(STORY)
    expect(page.get_by_label("Story seed")).to_have_value("7")
    expect(page.locator("#character-steps")).to_have_value("2")
    frames = page.locator("#pages > li")
    expect(frames.nth(0).get_by_role("textbox")).to_have_value("Once.")
    expect(page.get_by_role("button", name="Open page 2")).to_be_visible()
    expect(page.locator("#gallery > li")).to_have_count(1)


def test_a_stream_that_ends_early_is_opened_again(page: Page) -> None:
    """End it as the service does after 15 minutes, and as a network may at any time."""
    breaks: list[str] = []

    def events(route: Route) -> None:
        breaks.append(route.request.url)
        if len(breaks) == 1:
            stream = 'event: story.progress\ndata: {"done": 0, "total": 2, "ahead": 0}\n\n'
            route.fulfill(body=stream, content_type="text/event-stream")
        elif len(breaks) == 2:
            route.abort()
        else:
            route.continue_()

    page.route("**/events", events)
    enter_story(page, STORY)
    all_painted(page)
    assert len(breaks) == 3
    expect(page.get_by_role("alert")).to_be_hidden()


def test_scenes_are_shown_as_they_are_done_and_not_once_one_was_chosen(page: Page) -> None:
    steps(page, "2")
    page.get_by_role("radio", name="Story").check()
    page.get_by_label("One page per line").fill(STORY)
    paint(page)
    all_painted(page)
    expect(page.get_by_role("img", name="a knight, in front of a forest")).to_be_visible()
