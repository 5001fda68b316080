"""A story on a service without stories: painted as a job if it has jobs, else one scene after the other."""

from __future__ import annotations

import json
from io import BytesIO
from typing import Any

import pytest
from PIL import Image
from playwright.sync_api import Page, Route, expect

from scenewright import read_story, story_requests
from tests.support.page_actions import STORY, OpenPage, enter_story


@pytest.fixture
def page(open_page: OpenPage) -> Page:
    """The page of a service without stories."""
    page = open_page()
    without(page, "stories")
    return page


def without(page: Page, name: str) -> None:
    error = {"error": {"code": "not_found", "message": "there is no such route"}}
    page.route(f"**/v1/{name}", lambda route: route.fulfill(status=404, json=error))


def test_one_after_the_other_where_there_are_no_jobs(page: Page) -> None:
    without(page, "jobs")
    enter_story(page)
    expect(page.get_by_text("All 3 pages painted.")).to_be_visible()
    frames = page.get_by_role("region", name="Pages").get_by_role("listitem")
    expect(frames).to_have_count(3)
    expect(frames.nth(1)).to_contain_text("a knight, a forest")
    expect(page.locator("#gallery > li")).to_have_count(3)
    page.get_by_role("button", name="Open page 1").click()
    expect(page.get_by_role("img", name="a knight, in front of a castle")).to_be_visible()


def test_a_line_that_is_not_a_scene(page: Page) -> None:
    enter_story(page, "a knight, a castle")
    expect(page.get_by_role("alert")).to_contain_text("Line 1 needs who and where")
    expect(page.get_by_label("One page per line")).to_be_focused()


def test_a_scene_that_fails_does_not_take_the_others(page: Page) -> None:
    without(page, "jobs")
    error = {"code": "generation_failed", "message": "no attempt gave a usable picture"}

    def scene(route: Route) -> None:
        if "forest" in (route.request.post_data or ""):
            route.fulfill(status=502, json={"error": error})
        else:
            route.continue_()

    page.route("**/v1/scenes*", scene)
    enter_story(page)
    expect(page.get_by_text("2 of 3 pages painted, 1 failed.")).to_be_visible()
    expect(page.locator("#pages > li.failed")).to_contain_text("No attempt gave a usable picture.")


def event(name: str, data: dict[str, Any]) -> str:
    return f"event: {name}\ndata: {json.dumps(data)}\n\n"


def test_a_job_is_followed_and_found_again_after_a_reload(page: Page) -> None:
    jpeg = BytesIO()
    Image.new("RGB", (64, 32), "teal").save(jpeg, "JPEG")
    submitted: list[Any] = []

    def submit(route: Route) -> None:
        assert route.request.headers["idempotency-key"]
        submitted.append(json.loads(route.request.post_data or ""))
        route.fulfill(status=202, json={"id": "j1", "status": "queued", "total": 3})

    counts = {"id": "j1", "status": "failed", "total": 3, "done": 2, "failed": 1}
    error = {"code": "generation_failed", "message": "no attempt gave a usable picture"}
    ends = [
        event("scene.ended", {"index": i, "status": "succeeded", "url": f"/v1/jobs/j1/scenes/{i}"})
        for i in (0, 2)
    ]
    ends.append(event("scene.ended", {"index": 1, "status": "failed", "error": error}))
    stream = event("job.progress", counts) + "".join(ends) + event("job.ended", counts)
    page.route("**/v1/jobs", submit)
    page.route(
        "**/v1/jobs/j1/events", lambda route: route.fulfill(body=stream, content_type="text/event-stream")
    )
    picture = {"body": jpeg.getvalue(), "headers": {"X-Seed": "character=42; background=7"}}
    page.route("**/v1/jobs/j1/scenes/*", lambda route: route.fulfill(content_type="image/jpeg", **picture))  # type: ignore[arg-type]
    enter_story(page)
    for _ in range(2):
        expect(page.get_by_text("2 of 3 pages painted, 1 failed.")).to_be_visible()
        expect(page.locator("#pages > li.failed")).to_contain_text("No attempt gave")
        expect(page.locator("#gallery > li")).to_have_count(2)
        page.get_by_role("button", name="Open page 3").click()
        expect(page.locator("#layers")).to_contain_text("seed 42")
        page.reload()
    scenes = submitted[0]["scenes"]
    assert [
        {
            name: {each: scene[name][each] for each in ("prompt", "seed")}
            for name in ("character", "background")
        }
        for scene in scenes
    ] == story_requests(read_story(STORY))
    assert len(submitted) == 1
