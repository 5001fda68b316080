from __future__ import annotations

from typing import Any

import pytest

from loadtest.commands.results import exit_code


@pytest.mark.parametrize(
    ("summary", "code"),
    [
        ({"valid": True}, 0),
        ({"valid": True, "slo": {"met": True}}, 0),
        ({"valid": True, "slo": {"met": False}}, 1),
        ({"valid": False, "slo": {"met": True}}, 3),
        ({"valid": False}, 3),
    ],
)
def test_the_exit_code_of_a_run(summary: dict[str, Any], code: int) -> None:
    assert exit_code(summary) == code
