"""Perform a visitor's actions on the page, and read what the page shows."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from io import BytesIO

import httpx
import numpy as np
from PIL import Image
from playwright.sync_api import Page, Route, expect

from deployments.messages import Pixels


def paint(page: Page) -> None:
    page.get_by_role("button", name="Paint", exact=True).click()


def painted(page: Page) -> None:
    expect(page.get_by_role("status").filter(has_text="Done.")).to_be_visible()


def steps(page: Page, number: str) -> None:
    """Set the steps of both layers."""
    page.get_by_text("Painting", exact=True).click()
    for layer in ("character", "background"):
        page.locator(f"#{layer}-steps").fill(number)


def seeds(page: Page) -> list[str]:
    return re.findall(r"seed (\d+)", page.locator("#layers").inner_text())


Change = Callable[[Page], object]


def on_the_screen(page: Page) -> Pixels:
    with page.expect_download() as download:
        page.get_by_role("link", name="Download").click()
    with Image.open(download.value.path()) as picture:
        return np.asarray(picture)


def copied_curl(page: Page) -> str:
    page.get_by_role("button", name="Copy as curl").click()
    expect(page.get_by_text("Copied as a curl command.")).to_be_visible()
    return str(page.evaluate("navigator.clipboard.readText()"))


def body_of(command: str) -> dict[str, object]:
    body: dict[str, object] = json.loads(re.search("-d '(.*)' -o", command)[1].replace("'\\''", "'"))  # type: ignore[index]
    return body


def repeated(url: str, body: object) -> Pixels:
    response = httpx.post(f"{url}/v1/scenes", json=body, timeout=300, trust_env=False)
    assert response.status_code == 200, response.text
    with Image.open(BytesIO(response.content)) as picture:
        return np.asarray(picture)


def change(page: Page, act: Change) -> None:
    with page.expect_response("**/v1/merges") as merged:
        act(page)
    assert merged.value.ok, merged.value.text()
    expect(page.get_by_text("Composition updated.")).to_be_visible()


STORY = "a knight | a castle\n| a forest\na wizard | a cave"


def enter_story(page: Page, story: str = STORY) -> None:
    steps(page, "2")
    page.get_by_role("radio", name="Story").check()
    page.get_by_label("One page per line").fill(story)
    paint(page)


PATIENCE_MS = 60_000
"""How long a test waits for something that must appear; the machine may be busy and slow."""


OpenPage = Callable[..., Page]


STEP_S = 0.02


def with_models(page: Page, **changed: object) -> None:
    """Change the entry of each serving model in the models list, even if it lacks that ability."""

    def answer(route: Route) -> None:
        listed = route.fetch().json()
        for card in listed["data"]:
            card.update(changed if card["serving"] else {})
        route.fulfill(json=listed)

    page.route("**/v1/models", answer)
