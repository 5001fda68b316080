"""Tenants' secrets, and their replacement."""

from __future__ import annotations

import base64

from sqlalchemy import Engine

from serve.webhooks.secrets import OVERLAP_S, rotate, secret_of, signing_secrets


def test_a_tenant_has_one_secret(engine: Engine) -> None:
    mine = secret_of(engine, "me")
    assert mine.startswith("whsec_") and len(base64.b64decode(mine.removeprefix("whsec_"))) == 32
    assert secret_of(engine, "me") == mine != secret_of(engine, "you")


def test_the_old_one_signs_for_another_day(engine: Engine) -> None:
    old = secret_of(engine, "rotated")
    new = rotate(engine, "rotated", now=1_000)
    assert new != old
    assert signing_secrets(engine, "rotated", now=1_000 + OVERLAP_S - 1) == [new, old]
    assert signing_secrets(engine, "rotated", now=1_000 + OVERLAP_S) == [new]
