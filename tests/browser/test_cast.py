"""The cast in the page: a painted figure is kept under a name, and painted again by that name."""

from __future__ import annotations

import re

from playwright.sync_api import expect

from tests.support.page_actions import OpenPage, paint, painted, steps


def test_a_service_without_a_cast(open_page: OpenPage) -> None:
    page = open_page(before=lambda page: page.route("**/v1/cast*", lambda route: route.fulfill(status=404)))
    steps(page, "2")
    page.get_by_label("Who is in it?").fill("@home, a knight")
    paint(page)
    painted(page)
    expect(page.get_by_role("button", name=re.compile("^Vary the character"))).to_be_visible()
    expect(page.get_by_role("button", name=re.compile("^Keep this figure"))).to_have_count(0)
