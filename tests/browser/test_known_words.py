"""Notes under the fields list the words that the models do not know, and those they know."""

from __future__ import annotations

from playwright.sync_api import expect

from deployments.diffusion.model.known_words import GRAMMAR, read_known_words, unknown_words
from deployments.diffusion.model.registry import bundled_model
from tests.support.page_actions import OpenPage

PROMPTS = (
    "a knight in silver armor",
    "A DRAGON, the knight's dragons & castles",
    "two cities of elves; women in the woods",
    "château cha\u0302teau 🐉 ❤️ 龙 и рыцарь 12 ™",
)


def test_an_unknown_word_is_named_while_typing_and_known_ones_are_offered(open_page: OpenPage) -> None:
    page = open_page()
    said = page.locator("#character-known")
    expect(page.locator("#service")).to_contain_text("Ready")
    expect(said).to_be_empty()
    page.locator("#character").fill("a unicorn with a hat")
    expect(said).to_contain_text("storybook-character does not know: unicorn, hat.")
    expect(said).to_contain_text("knight, wizard, witch")
    page.locator("#character").fill("a wizard in a blue robe")
    expect(said).to_be_empty()
    page.locator("#background").fill("a waterfall at night")
    expect(page.locator("#background-known")).to_contain_text(
        "storybook-background does not know: waterfall."
    )


def test_a_storyboards_lines_are_read_too(open_page: OpenPage) -> None:
    page = open_page()
    page.get_by_role("radio", name="Story").check()
    page.locator("#storyboard").fill("a unicorn | a castle | Once.\n| a swamp |")
    said = page.locator("#storyboard-known")
    expect(said).to_contain_text("storybook-character does not know: unicorn.")
    expect(said).to_contain_text("storybook-background does not know: swamp.")


def test_the_page_and_the_service_take_the_same_words_for_unknown(open_page: OpenPage) -> None:
    page = open_page()
    known = read_known_words(bundled_model("storybook-character"))
    assert known is not None
    send = """async ([texts, words]) => {
        const { unknownWords } = await import(new URL("static/known_words.js", document.baseURI).href);
        return texts.map((text) => unknownWords(text, new Set(words)));
    }"""
    found = page.evaluate(send, [PROMPTS, sorted(known.words | GRAMMAR)])
    assert found == [unknown_words(prompt, known) for prompt in PROMPTS]
