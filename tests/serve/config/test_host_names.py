from __future__ import annotations

import pytest

from serve.config.host_names import (
    checked_pattern,
    host_of,
    is_loopback,
    matches,
)


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("127.0.0.1", True),
        ("127.3.2.1", True),
        ("::1", True),
        ("::ffff:127.0.0.1", True),
        ("localhost", True),
        ("LocalHost.", True),
        ("paint.localhost", True),
        ("0.0.0.0", False),  # noqa: S104 (it is only asked about)
        ("::", False),
        ("192.0.2.1", False),
        ("::ffff:192.0.2.1", False),
        ("127.0.0.1.page.example", False),
        ("localhost.page.example", False),
        ("notlocalhost", False),
        ("", False),
        ("name", False),
    ],
)
def test_loopback(host: str, expected: bool) -> None:
    assert is_loopback(host) is expected


@pytest.mark.parametrize(
    ("header", "host"),
    [
        ("Paint.Example.com.:8000", "paint.example.com"),
        ("[0:0::1]:8000", "::1"),
        ("[::ffff:127.0.0.1]", "127.0.0.1"),
        ("127.0.0.1", "127.0.0.1"),
        ("localhost:", "localhost"),
        ("[::1]:", "::1"),
        ("paint.example.com.:", "paint.example.com"),
        ("localhost::", None),
        ("::1:", None),
        (":", None),
        ("user@localhost", None),
        ("localhost:99999", None),
        ("localhost:8000:8000", None),
        ("localhost/x", None),
        ("local host", None),
        ("[::1", None),
        ("::1", None),
        ("", None),
    ],
)
def test_one_spelling(header: str, host: str | None) -> None:
    assert host_of(header) == host


@pytest.mark.parametrize(
    ("given", "kept", "inside", "outside"),
    [
        ("Paint.Example.com", "paint.example.com", "paint.example.com", "x.paint.example.com"),
        ("*.example.com", "*.example.com", "a.b.example.com", "example.com"),
        ("*.example.com", "*.example.com", "x.example.com", "evilexample.com"),
        ("[2001:DB8:0::1]", "2001:db8::1", "2001:db8::1", "2001:db8::2"),
        ("2001:db8::1", "2001:db8::1", "2001:db8::1", "2001:db8::2"),
        ("192.0.2.1", "192.0.2.1", "192.0.2.1", "192.0.2.10"),
        ("*", "*", None, "paint.example.com"),
    ],
)
def test_patterns(given: str, kept: str, inside: str | None, outside: str) -> None:
    assert checked_pattern(given) == kept
    assert inside is None or matches(inside, [kept])
    assert not matches(outside, [kept])


@pytest.mark.parametrize(
    "pattern",
    [
        "",
        "http://a.example",
        "a.example:8000",
        "a.example:",
        "a.example/",
        "*.192.0.2.1",
        "a*.example",
        "**",
        "*.",
        "a b",
    ],
)
def test_what_is_no_pattern(pattern: str) -> None:
    with pytest.raises(ValueError, match="is not a host"):
        checked_pattern(pattern)
