"""The pages of a painted story: reworded, moved, repainted, left out, undone; and the book."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterator
from io import BytesIO
from typing import Any

import httpx
import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Page, Route, expect

from tests.support.accessibility import serious
from tests.support.local_service import local_graph, simulated_config, with_worker
from tests.support.page_actions import OpenPage, change, enter_story, on_the_screen
from tests.support.polling import until

STORY = "a knight | a castle | Once.\n| a forest | Twice.\na wizard | a cave | And again."


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    config = simulated_config().model_copy(update={"state_dir": str(tmp_path_factory.mktemp("state"))})
    with with_worker(config, local_graph(config)) as address:
        yield address


@pytest.fixture
def http(url: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=f"{url}/v1", trust_env=False) as client:
        yield client


def newest(http: httpx.Client) -> dict[str, Any]:
    """Return the service's newest story."""
    listed = http.get("/stories?limit=1").raise_for_status().json()["data"]
    found: dict[str, Any] = http.get(f"/stories/{listed[0]['id']}").raise_for_status().json()
    return found


def texts(story: dict[str, Any]) -> list[str]:
    """Return the texts of the story's book in order."""
    return [story["pages"][index]["text"] for index in story["order"]]


def pictures(http: httpx.Client) -> list[bytes]:
    """Return the picture of each page, once all are painted."""
    story = until(lambda: (found := newest(http))["status"] == "succeeded" and found)
    address = f"/stories/{story['id']}/pages"
    return [http.get(f"{address}/{each['index']}").raise_for_status().content for each in story["pages"]]


def painted(page: Page) -> None:
    expect(page.get_by_text("All 3 pages painted.")).to_be_visible()
    expect(page.locator("#pages img")).to_have_count(3)


def undone(page: Page) -> None:
    page.get_by_role("button", name="Undo").click()
    expect(page.get_by_text("Undone.")).to_be_visible()


def test_pages_are_reworded_moved_and_left_out_by_keys(open_page: OpenPage, http: httpx.Client) -> None:
    page = open_page(viewport={"width": 375, "height": 800}, reduced_motion="reduce")
    page.get_by_role("radio", name="Story").check()
    page.get_by_label("Title", exact=True).fill("The Way")
    enter_story(page, STORY)
    painted(page)
    assert newest(http)["title"] == "The Way"
    page.get_by_label("Text of page 2").focus()
    page.keyboard.press("ControlOrMeta+a")
    page.keyboard.type("Never.")
    page.keyboard.press("Tab")
    expect(page.get_by_text("The text of page 2 was changed.")).to_be_visible()
    page.get_by_role("button", name="Move page 3 earlier").press("Enter")
    expect(page.get_by_role("button", name="Move page 2 earlier")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Move page 1 later")).to_be_focused()
    assert texts(newest(http)) == ["And again.", "Once.", "Never."]
    page.get_by_role("button", name="Leave out page 2").press("Enter")
    expect(page.get_by_role("button", name="Undo")).to_be_focused()
    page.get_by_label("Title of the story").fill("The Short Way")
    page.get_by_label("Title of the story").press("Enter")
    expect(page.get_by_text("The title was changed.")).to_be_visible()
    assert serious(page) == []
    assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
    page.reload()
    expect(page.locator("#pages img")).to_have_count(2)
    story = newest(http)
    assert (story["title"], texts(story)) == ("The Short Way", ["And again.", "Never."])
    expect(page.get_by_label("Text of page 2")).to_have_value("Never.")
    page.get_by_role("button", name="Bring back the pages").click()
    expect(page.get_by_label("Text of page 3")).to_have_value("Once.")
    page.get_by_role("button", name="Move page 3 earlier").click()
    expect(page.get_by_text("Page 3 is now page 2.")).to_be_visible()
    undone(page)
    undone(page)
    # The page still shows "Undone." for the first undo.
    until(lambda: texts(newest(http)) == ["And again.", "Never."])
    expect(page.get_by_role("button", name="Undo")).to_be_hidden()


def test_a_page_is_painted_again_and_the_others_stay(open_page: OpenPage, http: httpx.Client) -> None:
    page = open_page()
    enter_story(page, STORY)
    painted(page)
    first = pictures(http)
    page.get_by_role("button", name="Paint page 2 again").click()
    dialog = page.get_by_role("dialog", name="Paint page 2 again")
    expect(dialog.get_by_label("Who is on the page?")).to_be_focused()
    dialog.get_by_label("Where is it set?").fill(" ")
    page.keyboard.press("Tab")
    dialog.get_by_role("button", name="Paint").click()
    expect(dialog.get_by_role("alert")).to_have_text("Say where the page is set.")
    dialog.get_by_label("Who is on the page?").fill("a knight\na fox")
    dialog.get_by_label("Where is it set?").fill("a lake")
    with page.expect_response("**/pages/1/repaint") as answered:
        dialog.get_by_role("button", name="Paint").click()
    assert answered.value.status == 202, answered.value.text()
    figures = answered.value.request.post_data_json["characters"]
    assert [each["prompt"] for each in figures] == ["a knight", "a fox"]
    assert "seed" in figures[0] and "seed" not in figures[1], "the knight stays, the fox is new"
    second = pictures(http)
    painted(page)
    assert [one == other for one, other in zip(first, second, strict=True)] == [True, False, True]
    with page.expect_response("**/pages/1/repaint") as answered:
        page.get_by_role("button", name="Undo").click()
    assert answered.value.status == 202, answered.value.text()
    assert pictures(http) == first
    painted(page)
    page.get_by_role("button", name="Open page 1").click()
    change(page, lambda page: page.get_by_role("radio", name="Left").check())
    expect(page.locator("#pages")).to_contain_text("The book still has the earlier picture.")
    composed = on_the_screen(page)
    with page.expect_response("**/pages/0/repaint") as answered:
        page.get_by_role("button", name="Put on page 1").click()
    assert answered.value.status == 202, answered.value.text()
    expect(page.get_by_role("button", name="Put on page 1")).to_be_hidden()
    put, *others = pictures(http)
    np.testing.assert_array_equal(Image.open(BytesIO(put)), composed)
    assert others == first[1:]


def test_a_failed_page_the_book_and_removing_all(open_page: OpenPage, http: httpx.Client) -> None:
    error = {"code": "generation_failed", "message": "no attempt gave a usable picture"}

    def without_the_second(route: Route) -> None:
        until(lambda: newest(http)["status"] == "succeeded")
        ends: list[dict[str, Any]] = [
            {"index": index, "status": "succeeded", "picture": "x"} for index in (0, 2)
        ]
        ends.append({"index": 1, "status": "failed", "error": error})
        sent = "".join(f"event: page.ended\ndata: {json.dumps(each)}\n\n" for each in ends)
        route.fulfill(body=f"{sent}event: story.ended\ndata: {{}}\n\n", content_type="text/event-stream")

    page = open_page(accept_downloads=True)
    page.route("**/v1/stories/*/events", without_the_second)
    enter_story(page, STORY)
    expect(page.get_by_text("2 of 3 pages painted, 1 failed.")).to_be_visible()
    expect(page.locator("#pages > li.failed")).to_contain_text("No attempt gave a usable picture.")
    page.get_by_role("button", name="ZIP").click()
    expect(page.get_by_role("alert")).to_contain_text(
        "There is no book yet. Page 2 could not be painted: paint it again, or leave it out."
    )
    page.get_by_role("button", name="Leave out page 2").click()
    expect(page.locator("#pages > li")).to_have_count(2)
    with page.expect_download() as download:
        page.get_by_role("button", name="ZIP").click()
    assert download.value.suggested_filename == "A story.zip"
    with zipfile.ZipFile(download.value.path()) as archive:
        assert [each["text"] for each in json.loads(archive.read("story.json"))["pages"]] == [
            "Once.",
            "And again.",
        ]
    expect(page.get_by_text("The ZIP is ready.")).to_be_visible()
    story = newest(http)
    for undo in (True, False):
        page.get_by_role("button", name="Remove all pages").click()
        dialog = page.get_by_role("dialog", name="Remove the story?")
        expect(dialog.get_by_role("button", name="Cancel")).to_be_focused()
        dialog.get_by_role("button", name="Remove").click()
        expect(page.locator("#pages")).to_be_hidden()
        if undo:
            page.get_by_role("button", name="Undo").click()
            expect(page.locator("#pages > li")).to_have_count(2)
            expect(page.get_by_role("button", name="Paint", exact=True)).to_be_enabled()
    page.reload()
    until(lambda: http.get(f"/stories/{story['id']}").status_code == 404)
    expect(page.locator("#pages")).to_be_hidden()
