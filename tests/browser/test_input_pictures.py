"""Pictures to paint from, LoRAs and a pose: offered if `/v1/models` says that the model supports them."""

from __future__ import annotations

import re
from io import BytesIO
from typing import Any

import httpx
import numpy as np
import pytest
from axe_playwright_python.sync_playwright import Axe
from PIL import Image
from playwright.sync_api import Page, expect

from tests.support.page_actions import (
    OpenPage,
    body_of,
    copied_curl,
    on_the_screen,
    paint,
    painted,
    repeated,
    steps,
    with_models,
)

PHONE = {"width": 375, "height": 720}
FITS = "document.documentElement.scrollWidth <= document.documentElement.clientWidth"
GIVE = """(zone, [bytes, kind]) => {
  const given = new DataTransfer();
  given.items.add(new File([new Uint8Array(bytes)], "picture.png", { type: "image/png" }));
  const how = { bubbles: true, cancelable: true };
  const event = kind === "paste" ? new ClipboardEvent(kind, { ...how, clipboardData: given })
    : new DragEvent(kind, { ...how, dataTransfer: given });
  zone.dispatchEvent(event);
  return event.defaultPrevented;
}"""


def drawn(colour: str, size: tuple[int, int] = (384, 512)) -> bytes:
    file = BytesIO()
    picture = Image.new("RGB", size, "white")
    picture.paste(colour, (size[0] // 4, size[1] // 4, size[0] // 2, size[1] // 2))
    picture.save(file, "PNG")
    return file.getvalue()


def chosen(colour: str, size: tuple[int, int] = (384, 512)) -> Any:
    return {"name": f"{colour}.png", "mimeType": "image/png", "buffer": drawn(colour, size)}


def give(page: Page, zone: str, colour: str, kind: str) -> None:
    assert page.locator(zone).evaluate(GIVE, [list(drawn(colour)), kind])


def sent_by(page: Page) -> Any:
    with page.expect_request("**/v1/scenes*") as requested:
        paint(page)
    return requested.value.post_data_json


def unanswered(page: Page) -> None:
    """Abort every scene request, since this service's models could not paint it."""
    page.route("**/v1/scenes*", lambda route: route.abort())


def test_a_start_picture_is_dropped_pasted_chosen_kept_and_removed(open_page: OpenPage, url: str) -> None:
    page = open_page(permissions=["clipboard-read", "clipboard-write"], accept_downloads=True)
    steps(page, "2")
    assert not page.locator("#storyboard-hint").evaluate(GIVE, [list(drawn("red")), "paste"])
    give(page, "#character", "red", "drop")
    expect(page.get_by_role("img", name="The start picture of the character")).to_be_visible()
    give(page, "#background", "green", "paste")
    expect(page.get_by_role("img", name="The start picture of the place")).to_be_visible()
    page.locator("#background-file").set_input_files(chosen("blue", (1200, 900)))
    expect(page.locator("#background-picture-state")).to_have_text("Picture added.")
    expect(page.get_by_role("img", name="The start picture of the place")).to_have_count(1)
    page.get_by_label("How much the start picture of the place may change").fill("0.35")
    page.reload()
    page.get_by_text("Ready").wait_for()
    expect(page.get_by_role("img", name="The start picture of the place")).to_be_visible()
    sent = sent_by(page)
    painted(page)
    assert sent["character"]["strength"] == 0.6 and "width" not in sent["character"]
    assert sent["background"]["strength"] == 0.35
    width, height = sent["background"]["width"], sent["background"]["height"]
    assert width < 1200 and width / height == pytest.approx(4 / 3, abs=0.05), (
        "scaled to a size that the model paints"
    )
    start = httpx.get(f"{url}/v1/pictures/{sent['background']['image']['id']}", trust_env=False)
    assert Image.open(BytesIO(start.content)).size == (1200, 900)
    np.testing.assert_array_equal(on_the_screen(page), repeated(url, body_of(copied_curl(page))))
    page.get_by_role("button", name="Remove the start picture of the place").click()
    assert "image" not in sent_by(page)["background"]
    painted(page)


def test_a_file_that_is_no_picture_and_an_upload_that_is_refused(page: Page) -> None:
    broken = {"name": "a.png", "mimeType": "image/png", "buffer": b"nothing"}
    page.locator("#character-file").set_input_files([broken])
    expect(page.get_by_role("alert").first).to_contain_text("PNG, JPEG or WebP")
    add = page.get_by_role("button", name="Start from a picture, of the character")
    expect(add).to_be_focused()
    error = {"error": {"type": "x", "code": "insufficient_storage", "message": "the disk is nearly full"}}
    page.route("**/v1/pictures", lambda route: route.fulfill(status=507, json=error))
    page.locator("#character-file").set_input_files(chosen("red"))
    expect(page.get_by_role("alert").first).to_contain_text("The disk is nearly full.")
    page.unroute("**/v1/pictures")
    page.locator("#character-file").set_input_files(chosen("red"))
    expect(page.get_by_role("img", name="The start picture of the character")).to_be_visible()
    expect(page.locator("#character-guides .field-error")).to_have_count(0)


def test_references_where_the_model_has_them(open_page: OpenPage) -> None:
    tasks = ["text_to_image", "image_to_image", "references"]
    page = open_page(before=lambda page: with_models(page, tasks=tasks))
    unanswered(page)
    for colour in ("red", "green", "blue"):
        page.locator("#character-file").set_input_files(chosen(colour))
        expect(page.locator("#character-picture-list li")).to_have_count(
            ("red", "green", "blue").index(colour) + 1
        )
    page.get_by_label("How closely the references of the character are followed").fill("0.8")
    sent = sent_by(page)["character"]
    assert len(sent["references"]) == 2 and sent["reference_scale"] == 0.8 and "image" in sent
    start = sent["image"]
    page.get_by_role("button", name="Use as start picture").last.click()
    sent = sent_by(page)["character"]
    assert sent["image"] != start and start in sent["references"], (
        "the former start picture has become a reference"
    )


def test_references_alone(open_page: OpenPage) -> None:
    page = open_page(before=lambda page: with_models(page, tasks=["text_to_image", "references"]))
    unanswered(page)
    expect(page.get_by_role("button", name="Add a reference picture, of the place")).to_be_visible()
    give(page, "#background", "red", "drop")
    expect(page.get_by_role("img", name="The reference of the place")).to_be_visible()
    sent = sent_by(page)["background"]
    assert len(sent["references"]) == 1 and "image" not in sent


def test_loras_where_there_are_any(open_page: OpenPage) -> None:
    both = ["character", "background"]
    loras = [
        {"name": "watercolor", "layers": both, "fault": None},
        {"name": "ink", "layers": ["character"], "fault": None},
        {"name": "torn", "layers": both, "fault": "not a LoRA"},
    ]
    page = open_page(before=lambda page: with_models(page, loras=loras))
    unanswered(page)
    page.get_by_text("Painting", exact=True).click()
    picker = page.locator("#character-lora")
    assert picker.locator("option").all_text_contents() == ["none", "watercolor", "ink"]
    assert page.locator("#background-lora option").all_text_contents() == ["none", "watercolor"]
    picker.select_option("watercolor")
    strength = page.get_by_label("Strength of watercolor, LoRA of the character")
    expect(strength).to_be_focused()
    page.keyboard.press("ArrowRight")
    picker.select_option("ink")
    page.reload()
    page.get_by_text("Ready").wait_for()
    sent = sent_by(page)
    assert sent["character"]["loras"] == [
        {"name": "watercolor", "scale": 0.85},
        {"name": "ink", "scale": 0.8},
    ]
    assert "loras" not in sent["background"]
    page.get_by_text("Painting", exact=True).click()
    page.get_by_role("button", name="Remove ink of the character").click()
    page.get_by_role("radio", name="Story").check()
    with page.expect_request("**/v1/stories") as requested:
        page.route("**/v1/stories", lambda route: route.abort())
        paint(page)
    first = requested.value.post_data_json["pages"][0]
    assert first["characters"][0]["loras"] == [{"name": "watercolor", "scale": 0.85}]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_pose_by_drag_by_touch_and_by_keys(open_page: OpenPage, scheme: str) -> None:
    tasks = ["text_to_image", "image_to_image", "inpainting", "references", "pose"]
    page = open_page(
        before=lambda page: with_models(page, tasks=tasks, loras=[{"name": "ink"}]),
        viewport=PHONE,
        has_touch=True,
        color_scheme=scheme,
        reduced_motion="reduce",
    )
    unanswered(page)
    page.get_by_label("Set the pose").check()
    wrist = page.get_by_role("button", name=re.compile("^left wrist"))
    page.locator("#pose-figure").scroll_into_view_if_needed()
    box = wrist.bounding_box()
    figure = page.locator("#pose-figure").bounding_box()
    assert box and figure
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.mouse.down()
    page.mouse.move(figure["x"] + 0.9 * figure["width"], figure["y"] + 0.2 * figure["height"], steps=3)
    page.mouse.up()
    expect(wrist).to_be_focused()
    expect(wrist).to_have_attribute("aria-label", "left wrist: 90% across, 20% down")
    page.keyboard.press("Shift+ArrowUp")
    page.keyboard.press("ArrowLeft")
    page.get_by_role("button", name=re.compile("^right ear")).focus()
    page.keyboard.press("Delete")
    expect(page.get_by_role("button", name="Show the right ear")).to_be_visible()
    page.locator("#character-file").set_input_files(chosen("red"))
    expect(page.locator("#character-picture-list li")).to_have_count(1)
    assert page.evaluate(FITS)
    found = Axe().run(page).response["violations"]
    assert [rule["id"] for rule in found if rule["impact"] in ("serious", "critical")] == []
    page.reload()
    page.get_by_text("Ready").wait_for()
    keypoints = sent_by(page)["character"]["pose"]["keypoints"]
    assert len(keypoints) == 18
    assert keypoints[7] == pytest.approx([0.89, 0.15, 1], abs=0.01)
    assert keypoints[16][2] == 0
    page.get_by_label("Set the pose").uncheck()
    assert "pose" not in sent_by(page)["character"]
