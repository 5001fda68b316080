"""A story file, read line by line."""

from __future__ import annotations

from pathlib import Path

import pytest

from examples.storyboard import Frame, read_story, storyboard


def test_a_half_left_empty_stays() -> None:
    assert read_story("# a story\n\na fox | a wood | Once.\n| a lake\na cat |") == [
        Frame("a fox", "a wood", "Once."),
        Frame("a fox", "a lake", ""),
        Frame("a cat", "a lake", ""),
    ]


@pytest.mark.parametrize(
    ("text", "fault"),
    [("", "no scenes"), ("a fox", "line 1"), ("\n| a wood", "line 2"), ("a | b | c | d", "line 1")],
)
def test_what_is_no_scene_is_named(text: str, fault: str) -> None:
    with pytest.raises(ValueError, match=fault):
        read_story(text)


def test_a_scene_without_a_picture_is_left_out_and_words_are_only_words() -> None:
    frames = [Frame("a", "b", "<one>"), Frame("a", "b", "two")]
    page = storyboard("<A & B>", frames, {0: Path("book/scene-01.jpg")})
    assert "&lt;A &amp; B&gt;" in page and "&lt;one&gt;" in page and "two" not in page
    assert 'src="scene-01.jpg"' in page
