"""Composing the layers differently without repainting them."""

from __future__ import annotations

import base64
import json
import re
from io import BytesIO

from PIL import Image
from playwright.sync_api import Page, Route, expect

from tests.support.page_actions import paint, painted, steps


def a_picture() -> str:
    data = BytesIO()
    Image.new("RGB", (64, 32), "teal").save(data, "JPEG")
    return base64.b64encode(data.getvalue()).decode()


def test_another_position_merges_the_kept_layers(page: Page) -> None:
    forms: list[str] = []

    def merge(route: Route) -> None:
        forms.append((route.request.post_data_buffer or b"").decode("latin-1"))
        picture = {"format": "jpeg", "width": 64, "height": 32, "b64_json": a_picture()}
        merged = {"mode": "cutout", "confidence": 0.9, "box": [0, 0, 1, 1]}
        route.fulfill(json={"id": "m", "image": picture, "merge": merged, "warnings": []})

    page.route("**/v1/merges", merge)
    steps(page, "2")
    paint(page)
    painted(page)
    page.get_by_role("radio", name="Left").check()
    expect(page.get_by_text("Composition updated.")).to_be_visible()
    expect(page.locator("#notes")).to_contain_text("Cut out with 90% confidence")
    assert page.locator("#scene img").evaluate("image => image.decode().then(() => image.naturalWidth)") == 64
    assert forms[0].count("\x89PNG") == 2
    options = json.loads(re.search(r'name="options"\r\n\r\n(.*)\r\n', forms[0])[1])  # type: ignore[index]
    assert options["merge"]["position"] == "left"
    page.reload()
    page.get_by_role("button", name=re.compile("a knight")).first.click()
    expect(page.locator("input[name=position][value=left]")).to_be_checked()


def test_a_service_that_cannot_is_not_made_to_pretend(page: Page) -> None:
    error = {"code": "not_found", "message": "there is no such route"}
    page.route("**/v1/merges", lambda route: route.fulfill(status=404, json={"error": error}))
    steps(page, "2")
    paint(page)
    painted(page)
    page.get_by_role("radio", name="Left").check()
    expect(page.locator("#composition-hint")).to_contain_text("changes apply when you paint")
    expect(page.get_by_role("alert")).to_be_hidden()
