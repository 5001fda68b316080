"""Creating and ending keys."""

from __future__ import annotations

import pytest

from serve.auth.keys import Key, digest, id_in

WHOLE = "sw_0a1b_secret"


def key(**more: object) -> Key:
    known = {"id": "0a1b", "tenant": "me", "name": "me", "sha256": digest(WHOLE), "created_at": 0.0}
    return Key(**{**known, "scopes": ("generate",), **more})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "other",
    ["", "x", "sw__", WHOLE[:-1], WHOLE + "x", "sw_0a1b_", WHOLE.upper(), "sw_é_\udcff", "_" * 9],
)
def test_what_is_another_key_or_none(other: str) -> None:
    assert key().is_of(WHOLE)
    assert not key().is_of(other)


def test_only_the_form_of_a_key_names_an_id() -> None:
    offered = (WHOLE, "sw_0a1b_a_b", "sw_0a1b", "xx_0a1b_secret", "", "0a1b")
    assert [id_in(each) for each in offered] == ["0a1b", "0a1b", None, None, None, None]


def test_an_admin_may_everything() -> None:
    assert key(scopes=("admin",)).may("jobs") and key(scopes=("admin",)).may("generate")
    assert key().may("generate") and not key().may("jobs") and not key().may("admin")


def test_how_a_key_ends() -> None:
    assert key().end(1e12) is None
    assert [key(expires_at=10.0).end(now) for now in (9.9, 10.0)] == [None, "has expired"]
    assert key(revoked_at=5.0, expires_at=3.0).end(1.0) == "was revoked"
