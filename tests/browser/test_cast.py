"""The cast in the page: a painted figure is saved under a name, and painted again by that name."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from playwright.sync_api import Page, expect

from tests.support.page_actions import OpenPage, paint, painted, seeds, steps


@pytest.fixture
def kept(url: str) -> Iterator[httpx.Client]:
    """Empty the service's cast; yield a client."""
    with httpx.Client(base_url=f"{url}/v1", trust_env=False) as client:
        listed = client.get("/cast")
        assert listed.status_code == 200, listed.text
        for each in listed.json()["data"]:
            assert client.delete(f"/cast/{each['name']}").status_code == 200
        yield client


def member(kept: httpx.Client, name: str) -> dict[str, Any]:
    response = kept.get(f"/cast/{name}")
    assert response.status_code == 200, response.text
    return {key: value for key, value in response.json().items() if key not in ("created", "updated")}


def keep(page: Page, name: str) -> None:
    page.get_by_role("button", name="Keep this figure: character").click()
    dialog = page.get_by_role("dialog", name="Keep this figure")
    expect(dialog.get_by_label("Name")).to_be_focused()
    page.keyboard.type(name)
    page.keyboard.press("Enter")


def sent_by(page: Page) -> Any:
    with page.expect_request("**/v1/scenes*") as requested:
        paint(page)
    return requested.value.post_data_json


def test_a_figure_is_kept_painted_by_its_name_removed_and_put_back(
    open_page: OpenPage, kept: httpx.Client
) -> None:
    page = open_page()
    steps(page, "2")
    expect(page.get_by_role("heading", name="Your cast")).to_be_hidden()
    page.get_by_label("Who is in it?").fill("a queen in a green dress")
    paint(page)
    painted(page)
    seed = int(seeds(page)[0])
    keep(page, "two words")
    expect(page.get_by_role("dialog").get_by_role("alert")).to_contain_text("A name must start with a letter")
    page.keyboard.press("ControlOrMeta+a")
    page.keyboard.type("mira")
    page.keyboard.press("Enter")
    expect(page.get_by_role("dialog")).to_have_count(0)
    mira = member(kept, "mira")
    assert mira["description"] == "a queen in a green dress" and mira["seed"] == seed
    assert mira["references"][0]["id"].startswith("pic_")
    keep(page, "mira")
    expect(page.get_by_role("dialog").get_by_role("alert")).to_contain_text("There is already a member")
    page.keyboard.press("Escape")

    page.get_by_role("button", name="Paint mira: a queen in a green dress").click()
    expect(page.get_by_label("Who is in it?")).to_be_focused()
    page.keyboard.type("waves in the rain")
    character = sent_by(page)["character"]
    assert (character["cast"], character["prompt"]) == ("mira", "waves in the rain")
    assert "seed" not in character
    expect(page.locator("#notes")).to_contain_text(re.compile(r"mira is \d+% similar to the kept picture"))
    assert int(seeds(page)[0]) == seed
    page.get_by_label("Who is in it?").fill("@rolf waves")
    paint(page)
    expect(page.get_by_role("alert")).to_contain_text("There is nobody named rolf in the cast.")

    page.get_by_role("button", name="Remove mira from the cast").click()
    expect(page.get_by_text("Removed mira from the cast.")).to_be_visible()
    assert kept.get("/cast/mira").status_code == 404
    page.get_by_role("button", name="Undo").click()
    expect(page.get_by_role("button", name=re.compile("^Paint mira"))).to_be_visible()
    assert member(kept, "mira") == mira


def test_the_cast_paints_a_storyboard_too(open_page: OpenPage, kept: httpx.Client) -> None:
    added = kept.post("/cast", json={"name": "mira", "description": "a queen", "seed": 7})
    assert added.status_code == 201, added.text
    page = open_page()
    page.route("**/v1/stories", lambda route: route.abort())
    page.get_by_role("radio", name="Story").check()
    page.locator("#storyboard").fill("@mira waves | a castle |\n@mira | a cave |\na knight | |")
    with page.expect_request("**/v1/stories") as requested:
        paint(page)
    first, second, third = (each["characters"] for each in requested.value.post_data_json["pages"])
    assert first == [{"cast": "mira", "prompt": "waves", "position": "right"}]
    assert second == [{"cast": "mira", "prompt": "standing", "position": "right"}]
    assert third == [{"prompt": "a knight", "position": "right"}]
    page.locator("#storyboard").fill("a knight | a castle\n@rolf waves | |")
    paint(page)
    expect(page.get_by_role("alert")).to_contain_text("Page 2 names rolf, who is not in the cast.")
    page.locator("#storyboard").press("Control+End")
    page.get_by_role("button", name="Paint mira: a queen").click()
    expect(page.locator("#storyboard")).to_have_value("a knight | a castle\n@mira waves | |")


def test_a_service_without_a_cast(open_page: OpenPage) -> None:
    page = open_page(before=lambda page: page.route("**/v1/cast*", lambda route: route.fulfill(status=404)))
    steps(page, "2")
    page.get_by_label("Who is in it?").fill("@home, a knight")
    paint(page)
    painted(page)
    expect(page.get_by_role("button", name=re.compile("^Vary the character"))).to_be_visible()
    expect(page.get_by_role("button", name=re.compile("^Keep this figure"))).to_have_count(0)
