from __future__ import annotations

import json
import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from serve.http.strict_json import (
    AT_ONCE_BYTES,
    MAX_DEPTH,
    MAX_KEYS,
    InvalidJson,
    decode,
)


def refusal(body: bytes | str) -> str:
    with pytest.raises(InvalidJson) as raised:
        decode(body if isinstance(body, bytes) else body.encode())
    return str(raised.value)


def nested(depth: int) -> str:
    return "[" * depth + "]" * depth


scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(10**299) + 1, 10**300 - 1),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(),
)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@settings(max_examples=30, deadline=None)
@given(values, st.booleans())
def test_whatever_json_can_say_comes_back(value: Any, ascii_only: bool) -> None:
    assert decode(json.dumps(value, allow_nan=False, ensure_ascii=ascii_only).encode()) == value


@pytest.mark.parametrize("literal", ["NaN", "Infinity", "-Infinity"])
@pytest.mark.parametrize("where", ["{}", '{{"a": {}}}', "[1, [{}]]"])
def test_what_is_no_number_is_refused(literal: str, where: str) -> None:
    assert refusal(where.format(literal)) == f"{literal} is not a JSON number"


@pytest.mark.parametrize("literal", ["1e999", "-1e999", "1" * 400 + ".5"])
def test_a_number_that_would_become_infinite_is_refused(literal: str) -> None:
    assert refusal(f'{{"a": {literal}}}') == "a number is too large"


def test_huge_integers_are_refused_and_large_ones_fit_a_float() -> None:
    assert refusal("[" + "9" * 5_000 + "]") == "a number has too many digits"
    assert refusal("[-" + "9" * 301 + "]") == "a number has too many digits"
    assert float(decode(b"9" * 300)) < float("inf")


@pytest.mark.parametrize(
    "body", ['{"a": 1, "a": 1}', '[{"b": {"c": [{"a": 1, "b": 2, "a": 3}]}}]', '{"a":1,"\\u0061":2}']
)
def test_a_duplicate_key_is_refused_at_any_depth(body: str) -> None:
    assert refusal(body) == "the key 'a' appears twice in one object"


def test_the_same_key_in_two_objects_is_fine() -> None:
    assert decode(b'[{"a": 1}, {"a": {"a": 2}}]') == [{"a": 1}, {"a": {"a": 2}}]


def test_a_repeated_key_among_many_is_found() -> None:
    keys = [f'"k{number}":0' for number in range(MAX_KEYS - 1)]
    assert "k998" in refusal("{" + ",".join([*keys, '"k998":1']) + "}")


def test_the_keys_of_an_object_are_bounded() -> None:
    """Each unknown key would be an error of its own, and all are collected to report the first."""
    keys = [f'"k{number}":0' for number in range(MAX_KEYS + 1)]
    assert len(decode(("{" + ",".join(keys[1:]) + "}").encode())) == MAX_KEYS
    assert refusal("{" + ",".join(keys) + "}") == "an object has more than 1000 keys"


@pytest.mark.parametrize("size", [0, AT_ONCE_BYTES + 1])
@pytest.mark.parametrize(
    "literal", ["NaN", "1e999", "9" * 301, '"\\ud800"', '{"a": 1, "a": 2}', "[1,]", "'a'", "01"]
)
def test_both_parsers_refuse_alike(size: int, literal: str) -> None:
    """A long body is parsed in Python, so that other threads can run, with a short body's results."""
    alike = [refusal(f"[{literal}".ljust(size) + "]") for size in (0, size)]
    assert len({re.sub("(line|column) [0-9]+", "", each) for each in alike}) == 1


@settings(max_examples=30, deadline=None)
@given(values)
def test_a_long_body_means_what_a_short_one_does(value: Any) -> None:
    text = json.dumps(value, allow_nan=False)
    assert decode(text.encode()) == decode(text.ljust(AT_ONCE_BYTES + 1).encode())


@pytest.mark.parametrize(
    "body", ['["\\ud800"]', '{"\\udfff": 1}', '{"a": [{"b": "x\\ud83dy"}]}', '"\\ude00\\ud83d"']
)
def test_half_a_surrogate_pair_is_refused(body: str) -> None:
    assert refusal(body) == "a string contains half of a surrogate pair"


def test_a_whole_surrogate_pair_is_a_letter() -> None:
    assert decode(b'{"\\ud83d\\ude00": "\\ud83d\\ude00"}') == {"\U0001f600": "\U0001f600"}


@pytest.mark.parametrize("body", [b"\xff", b'"\xe9"', b'"\xed\xa0\x80"', '{"a": 1}'.encode("utf-16")])
def test_what_is_not_utf8_is_refused(body: bytes) -> None:
    assert refusal(body) == "the body is not UTF-8"


def test_a_byte_order_mark_is_skipped_once() -> None:
    assert decode(b"\xef\xbb\xbf{}") == {}
    assert " at line 1 column 1" in refusal(b"\xef\xbb\xbf" * 2 + b"{}")


def test_the_depth_is_bounded() -> None:
    decode(nested(MAX_DEPTH).encode())
    assert refusal(nested(MAX_DEPTH + 1)) == "the body is nested deeper than 64 levels"
    assert refusal('{"a":' * 65 + "1" + "}" * 65) == "the body is nested deeper than 64 levels"
    assert refusal("[" * 1_000_000) == "the body is nested deeper than 64 levels"


@pytest.mark.parametrize(
    "inside", ["[" * 100, '\\"' + "[" * 100, '\\\\\\"{' + "{" * 100, "\u2028[[" + "[" * 100]
)
def test_brackets_inside_strings_do_not_count(inside: str) -> None:
    body = f'["{inside}", [1]]'
    assert decode(body.encode()) == json.loads(body)


def test_brackets_after_an_escaped_backslash_do_count() -> None:
    assert refusal('["\\\\", ' + nested(64) + "]") == "the body is nested deeper than 64 levels"


@pytest.mark.parametrize(
    "body", ["", " ", "{", '{"a"', '{"a": 1} x', "{} {}", "{'a': 1}", '"a', '"\\', "[1,]", "nul", "01"]
)
def test_what_is_not_json_is_refused_with_its_place(body: str) -> None:
    assert " at line 1 column " in refusal(body)
