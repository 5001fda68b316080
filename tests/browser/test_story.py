"""The page parses stories by the same cases as the client (tests/client/test_stories.py)."""

from __future__ import annotations

import json
from pathlib import Path

from playwright.sync_api import Page, Request, expect

from scenewright import read_story
from tests.support.page_actions import paint

TESTS = Path(__file__).parents[1]
CASES = json.loads((TESTS / "story_cases.json").read_text())
EXAMPLE = (TESTS.parent / "examples/story.txt").read_text()

READ = """async (texts) => {
  const { readStory } = await import("./static/story.js");
  return texts.map((text) => {
    try {
      return readStory(text).map(({ character, background, words }) => [character, background, words]);
    } catch (error) {
      return error.message;
    }
  });
}"""
SEEDS = """async (cases) => {
  const { descriptionSeed } = await import("./static/story.js");
  return cases.map(([layer, description, storySeed]) => descriptionSeed(layer, description, storySeed));
}"""


def test_the_same_stories_are_read_and_refused(page: Page) -> None:
    read, refused = CASES["read"], CASES["refused"]
    assert page.evaluate(READ, [case["text"] for case in read]) == [case["scenes"] for case in read]
    assert page.evaluate(READ, [case["text"] for case in refused]) == [case["message"] for case in refused]
    assert len(page.evaluate(READ, ["a | b\n" * 1000])[0]) == 1000
    assert page.evaluate(READ, ["a | b\n" * 1001])[0].startswith("line 1001 is one scene too many")


def test_descriptions_have_the_same_seeds(page: Page) -> None:
    expected = [CASES["seeds"][case.get("same_as", number)] for number, case in enumerate(CASES["seeds"])]
    requested = [
        [case["layer"], case["description"], meant["story_seed"]]
        for case, meant in zip(CASES["seeds"], expected, strict=True)
    ]
    assert page.evaluate(SEEDS, requested) == [case["seed"] for case in expected]


def submitted(request: Request) -> bool:
    return request.method == "POST" and request.url.endswith("/v1/stories")


def test_the_example_is_pasted_and_painted_as_python_would(page: Page) -> None:
    """The example works unchanged, with its comments, texts and recurring heroes.

    The service derives each description's seed from the story's, by the same rule as the Python client.
    """
    page.get_by_role("radio", name="Story").check()
    page.get_by_label("One page per line").fill(EXAMPLE)
    for story_seed in (42, 7):
        if story_seed != 42:
            page.get_by_text("About the book").click()
            page.get_by_label("Story seed").fill(str(story_seed))
        with page.expect_request(submitted) as requested:
            paint(page)
        story = json.loads(requested.value.post_data or "")
        told = [(each["characters"][0], each["background"], each["text"]) for each in story["pages"]]
        assert told == [
            ({"prompt": scene.character, "position": "right"}, {"prompt": scene.background}, scene.words)
            for scene in read_story(EXAMPLE)
        ]
        assert story["seed"] == story_seed
        pages = page.locator("#pages > li")
        expect(pages).to_have_count(6)
        expect(pages.nth(0).get_by_label("Text of page 1")).to_have_value(
            "A knight sets out before the sun is down."
        )
        page.get_by_role("button", name="Stop").click()
        expect(page.get_by_role("button", name="Paint", exact=True)).to_be_enabled()


def test_a_seed_that_was_given_is_every_scenes(page: Page) -> None:
    page.get_by_text("Painting", exact=True).click()
    page.locator("#character-seed").fill("5")
    page.get_by_role("radio", name="Story").check()
    with page.expect_request(submitted) as requested:
        paint(page)
    pages = json.loads(requested.value.post_data or "")["pages"]
    assert {each["characters"][0]["seed"] for each in pages} == {5}
    assert [each["background"].get("seed") for each in pages] == [None] * 3
