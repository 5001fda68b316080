"""Check a body's structure before it is parsed, however it is split into pieces."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from serve.http import strict_json
from serve.http.strict_json import MAX_DEPTH, MAX_STRING_BYTES, InvalidJson, check_structure

MIB = 1 << 20
ANY = 10**9
STRING = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"?', re.DOTALL)

texts = st.text(st.sampled_from('a"\\[]{},:é\n\t 9'), max_size=12)
values = st.recursive(
    st.none() | st.integers(0, 99) | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=10,
)


def refusal(body: bytes, max_values: int = ANY) -> str:
    with pytest.raises(InvalidJson) as raised:
        check_structure(body, max_values)
    return str(raised.value)


@settings(max_examples=200, deadline=None)
@given(values, st.integers(1, 9), st.booleans())
def test_it_counts_as_a_parser_would(value: Any, window: int, ascii_only: bool) -> None:
    body = json.dumps(value, ensure_ascii=ascii_only).encode()
    outside = STRING.sub(b"", body)
    count = sum(map(outside.count, (b",", b"[", b"{")))
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(strict_json, "WINDOW_BYTES", window)
        check_structure(body, count)
        if count:
            assert refusal(body, count - 1) == f"the body contains more than {count - 1} values"


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=40), st.integers(1, 9))
def test_what_is_not_json_is_no_fault_of_it(body: bytes, window: int) -> None:
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(strict_json, "WINDOW_BYTES", window)
        check_structure(body, ANY)


@pytest.mark.parametrize(
    "body",
    [
        b"[" + b"[]," * (3 * MIB) + b"1]",
        b"[" + b"{}," * (3 * MIB) + b"1]",
        b"[" + b"0," * (4 * MIB) + b"1]",
        b'{"scenes": [' + b'"",' * (3 * MIB),
        b'{"a":0' + b',"a":0' * MIB + b"}",
    ],
)
def test_many_small_values(body: bytes) -> None:
    assert refusal(body, 200_000) == "the body contains more than 200000 values"


def test_the_depth() -> None:
    check_structure(b"[" * MAX_DEPTH + b"]" * MAX_DEPTH, ANY)
    for opening in (b"[", b'{"a":'):
        assert refusal(opening * (MAX_DEPTH + 1)) == "the body is nested deeper than 64 levels"
    check_structure(b'["' + b"[" * 100 + b'\\"' + b"[" * 100 + b'"]', ANY)


@pytest.mark.parametrize("letter", [b"a", b"\\n", b"\\u00e9", b"\\\\", b'\\"', "é".encode()])
def test_a_string_may_be_so_long_and_no_longer(letter: bytes) -> None:
    longest = MAX_STRING_BYTES // len(letter)
    check_structure(b'["' + letter * longest + b'", "' + letter * longest + b'"]', ANY)
    assert "a string is longer" in refusal(b'["' + letter * (longest + 1) + b'"]')
    assert "a string is longer" in refusal(b'["' + letter * (longest + 1)), "it is refused before its end"


def test_a_hundred_thousand_letters_however_they_are_written_are_not_too_long() -> None:
    check_structure(json.dumps("😀" * 100_000).encode(), ANY)


def test_a_number_of_very_many_digits() -> None:
    for number in (b"9" * MIB, b"1." + b"0" * MIB, b"1e" + b"1" * MIB):
        assert refusal(b"[" + number + b"]") == "a number has too many digits"
    check_structure(b'"' + b"9" * MIB + b'"', ANY)


def test_white_space() -> None:
    check_structure(b"{}".ljust(MIB), ANY)
    assert refusal(b"[" + b" " * (8 * MIB) + b"]") == "the body is mostly white space"
    check_structure(b"[\n" + b"    0,\n" * 300_000 + b"    0]", ANY)
