"""Turn a story file into a storyboard."""

from __future__ import annotations

from pathlib import Path

from examples.storyboard import storyboard
from scenewright import StoryScene


def test_a_scene_without_a_picture_is_left_out_and_words_are_only_words() -> None:
    frames = [StoryScene("a", "b", "<one>"), StoryScene("a", "b", "two")]
    page = storyboard("<A & B>", frames, {0: Path("book/scene-01.jpg")})
    assert "&lt;A &amp; B&gt;" in page and "&lt;one&gt;" in page and "two" not in page
    assert 'src="scene-01.jpg"' in page
