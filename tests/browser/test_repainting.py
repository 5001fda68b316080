"""A painted layer is varied, or a part of it is repainted: with a pointer, by keyboard, and on a phone."""

from __future__ import annotations

import base64
import re
from io import BytesIO
from typing import Any

import httpx
import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Page, expect

from deployments.messages import Pixels
from tests.support.page_actions import (
    OpenPage,
    body_of,
    copied_curl,
    on_the_screen,
    paint,
    painted,
    repeated,
    seeds,
    steps,
    with_models,
)

PHONE = {"width": 375, "height": 720}
FITS = "document.documentElement.scrollWidth <= document.documentElement.clientWidth"


@pytest.fixture
def page(open_page: OpenPage) -> Page:
    page = open_page(permissions=["clipboard-read", "clipboard-write"], accept_downloads=True)
    steps(page, "2")
    paint(page)
    painted(page)
    return page


def sent_by(page: Page, button: str = "Paint") -> Any:
    """Press the open dialog's button; return the request's body once it is painted."""
    with page.expect_request("**/v1/scenes*") as requested:
        page.get_by_role("dialog").get_by_role("button", name=button, exact=True).click()
    painted(page)
    return requested.value.post_data_json


def file_of(url: str, picture: Any) -> Pixels:
    response = httpx.get(
        f"{url}/v1/pictures/{picture['id']}", trust_env=False, headers={"Accept": "image/png"}
    )
    assert response.status_code == 200, response.text
    with Image.open(BytesIO(response.content)) as file:
        return np.asarray(file.convert("RGB"))


def layer_of(url: str, body: dict[str, object], layer: str) -> Pixels:
    """Return a layer as the service paints it for this request."""
    accept = {"Accept": "application/json"}
    response = httpx.post(
        f"{url}/v1/scenes", json=body | {"layers": True}, headers=accept, timeout=300, trust_env=False
    )
    assert response.status_code == 200, response.text
    file = base64.b64decode(response.json()["layers"][layer]["b64_json"])
    with Image.open(BytesIO(file)) as picture:
        return np.asarray(picture.convert("RGB"))


def test_a_figure_is_varied_from_its_own_picture_and_the_place_stays(page: Page, url: str) -> None:
    character, background = seeds(page)
    before = layer_of(url, body_of(copied_curl(page)), "painted")
    page.get_by_role("button", name="Vary the character").click()
    dialog = page.get_by_role("dialog", name="Vary the character")
    expect(dialog.get_by_label("What should it be?")).to_be_focused()
    dialog.get_by_label("What should it be?").fill("a knight with a blue cape")
    dialog.get_by_label("Change").focus()
    for _ in range(4):
        page.keyboard.press("ArrowLeft")
    sent = sent_by(page)
    assert sent["character"]["prompt"] == "a knight with a blue cape"
    assert sent["character"]["strength"] == pytest.approx(0.4)
    assert "mask" not in sent["character"] and "image" not in sent["background"]
    np.testing.assert_array_equal(file_of(url, sent["character"]["image"]), before)
    assert seeds(page)[0] != character and seeds(page)[1] == background
    expect(page.get_by_role("button", name="Vary the character")).to_be_focused()

    body = body_of(copied_curl(page))
    expect(page.get_by_text("The service keeps its pictures for a day.")).to_be_visible()
    assert body["character"]["image"] == sent["character"]["image"]  # type: ignore[index]
    np.testing.assert_array_equal(on_the_screen(page), repeated(url, body))


def test_only_what_the_brush_marks_is_painted_again(page: Page, url: str) -> None:
    page.get_by_role("button", name="Paint a part of the place again").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_role("button", name="Paint", exact=True).click()
    expect(dialog.get_by_role("alert")).to_contain_text("First paint over the part")
    canvas = page.locator("#vary-canvas")
    expect(canvas).to_be_focused()
    box = canvas.bounding_box()
    assert box is not None

    def stroke(y: float) -> None:
        page.mouse.move(box["x"] + 0.2 * box["width"], box["y"] + y * box["height"])
        page.mouse.down()
        page.mouse.move(box["x"] + 0.6 * box["width"], box["y"] + y * box["height"], steps=3)
        page.mouse.up()

    stroke(0.3)
    covered = page.locator("#brush-covered")
    expect(covered).to_have_text(re.compile(r"^\d+% will be painted again"))
    once = covered.inner_text()
    stroke(0.8)
    expect(covered).not_to_have_text(once)
    dialog.get_by_role("button", name="Undo").click()
    expect(covered).to_have_text(re.compile("^" + once.split(" ", maxsplit=1)[0] + " "))
    sent = sent_by(page)["background"]
    assert sent["strength"] == 1
    mask, before = file_of(url, sent["mask"])[..., 0] > 127, file_of(url, sent["image"])
    height, width = mask.shape
    assert mask[round(0.3 * height), round(0.4 * width)] and not mask[round(0.8 * height), round(0.4 * width)]
    after = layer_of(url, body_of(copied_curl(page)), "background")
    np.testing.assert_array_equal(after[~mask], before[~mask])
    assert not np.array_equal(after[mask], before[mask])


def test_the_brush_by_keys(page: Page, url: str) -> None:
    page.get_by_role("button", name="Paint a part of the character again").focus()
    page.keyboard.press("Enter")
    canvas, covered = page.locator("#vary-canvas"), page.locator("#brush-covered")
    expect(canvas).to_be_focused()
    page.keyboard.press("Space")
    expect(covered).to_contain_text("50% across and 50% down")
    small = covered.inner_text()
    page.keyboard.press("Control+z")
    expect(covered).to_contain_text("Nothing is marked")
    for _ in range(5):
        page.keyboard.press("]")
    page.keyboard.press("Space")
    expect(covered).to_contain_text("will be painted again")
    assert covered.inner_text() != small, "a larger brush covers more"
    page.keyboard.press("Shift+ArrowRight")
    expect(covered).to_contain_text("52% across")
    with page.expect_request("**/v1/scenes*") as requested:
        page.keyboard.press("Control+Enter")
    painted(page)
    mask = file_of(url, requested.value.post_data_json["character"]["mask"])
    middle = mask.shape[0] // 2, mask.shape[1] // 2
    assert mask[middle].min() == 255 and mask[0, 0].max() == 0
    page.get_by_role("button", name="Vary the place").click()
    expect(page.get_by_role("dialog")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)


def test_a_second_figure_too_and_on_a_phone(open_page: OpenPage) -> None:
    page = open_page(viewport=PHONE, has_touch=True, is_mobile=True)
    steps(page, "2")
    page.get_by_role("button", name="Add a figure").tap()
    page.keyboard.type("a green dragon")
    page.get_by_role("button", name="Paint", exact=True).tap()
    painted(page)
    before = seeds(page)
    page.get_by_role("button", name="Paint a part of figure 2 again").tap()
    canvas = page.locator("#vary-canvas")
    expect(canvas).to_be_focused()
    box = canvas.bounding_box()
    assert box is not None and box["x"] >= 0 and box["x"] + box["width"] <= PHONE["width"]
    page.touchscreen.tap(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    expect(page.locator("#brush-covered")).to_contain_text("will be painted again")
    assert page.evaluate(FITS)
    with page.expect_request("**/v1/scenes*") as requested:
        page.get_by_role("dialog").get_by_role("button", name="Paint", exact=True).tap()
    painted(page)
    one, other = requested.value.post_data_json["characters"]
    assert "image" not in one and other["mask"]["id"].startswith("pic_")
    after = seeds(page)
    assert (after[0], after[2]) == (before[0], before[2]) and after[1] != before[1]


def test_a_start_picture_that_has_expired_is_sent_again(page: Page, url: str) -> None:
    page.get_by_role("button", name="Vary the place").click()
    picture = sent_by(page)["background"]["image"]["id"]
    assert httpx.delete(f"{url}/v1/pictures/{picture}", trust_env=False).status_code == 200
    page.get_by_role("button", name="Paint the character again").click()
    expect(page.get_by_text("Painting both layers…")).to_be_visible()
    painted(page)
    assert httpx.get(f"{url}/v1/pictures/{picture}", trust_env=False).status_code == 200


def test_what_the_model_cannot_do_is_not_offered(open_page: OpenPage) -> None:
    page = open_page(before=lambda page: with_models(page, tasks=["text_to_image"]))
    expect(page.get_by_role("button", name="Start from a picture")).to_have_count(0)
    steps(page, "2")
    paint(page)
    painted(page)
    expect(page.get_by_role("button", name="Paint the place again")).to_be_visible()
    expect(page.get_by_role("button", name=re.compile("Vary|a part"))).to_have_count(0)
