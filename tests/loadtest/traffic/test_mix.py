from __future__ import annotations

import json
from typing import Any

import pytest

from loadtest.traffic.mix import MixError, default_mix, parse

MIX: dict[str, Any] = {"characters": ["a"], "backgrounds": ["b"], "requests": [{"name": "x"}]}


def parsed(**changes: Any) -> Any:
    return parse(json.dumps(MIX | changes))


def test_the_default_mix_requests_scenes_and_layers() -> None:
    assert {entry.route for entry in default_mix().requests} == {"scenes", "characters", "backgrounds"}


def test_sizes_are_pixels() -> None:
    assert parsed(requests=[{"name": "x", "frame": ["1024x512"]}]).requests[0].frame == [(1024, 512)]


@pytest.mark.parametrize(
    ("changes", "warnings"),
    [
        ({"requests": [{"name": "x", "wieght": 2}]}, r"requests\.0\.wieght: not a known key; .*weight"),
        ({"request": []}, r"request: not a known key; .*requests"),
        (
            {"requests": [{"name": "x", "cancels": {"share": 1, "after_s": [0, 1], "n": 1}}]},
            r"cancels\.n: .*after_s",
        ),
        ({"requests": [{"name": "x", "weight": 0}]}, r"requests\.0\.weight"),
        (
            {"requests": [{"name": "x", "frame": ["big"]}]},
            r'requests\.0\.frame\.0: a size must be "WIDTHxHEIGHT"',
        ),
        ({"requests": [{"name": "x", "merge_mode": ["glue"]}]}, r"merge_mode\.0"),
        ({"requests": [{"name": "x", "scenes": 3}]}, "jobs"),
        ({"requests": [{"name": "x", "route": "jobs", "answer": "stream"}]}, "leave out"),
        ({"requests": [{"name": "x", "route": "characters", "frame": ["64x64"]}]}, "not merged"),
        ({"requests": [{"name": "x"}, {"name": "x"}]}, "two requests are named 'x'"),
        ({"requests": []}, "requests"),
        ({"characters": []}, "characters"),
    ],
)
def test_a_fault_is_reported_by_its_key(changes: dict[str, Any], warnings: str) -> None:
    with pytest.raises(MixError, match=warnings):
        parsed(**changes)


@pytest.mark.parametrize(
    ("text", "warnings"), [("{", "line 1"), ('{"a": 1, "a": 2}', "'a' is given twice"), ("[]", "the file")]
)
def test_what_is_no_mix_is_refused(text: str, warnings: str) -> None:
    with pytest.raises(MixError, match=warnings):
        parse(text)
