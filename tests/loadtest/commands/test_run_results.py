from __future__ import annotations

from typing import Any

import pytest

from loadtest.commands.run_results import exit_code

ALL_OK = {"valid": True, "requests": 9, "ok": 9, "cancelled": 0}


@pytest.mark.parametrize(
    ("summary", "code"),
    [
        ({**ALL_OK, "valid": True}, 0),
        ({**ALL_OK, "valid": True, "slo": {"met": True}}, 0),
        ({**ALL_OK, "valid": True, "slo": {"met": False}}, 1),
        ({**ALL_OK, "valid": False, "slo": {"met": True}}, 3),
        ({**ALL_OK, "valid": False}, 3),
        ({**ALL_OK, "ok": 1}, 0),
        ({**ALL_OK, "ok": 0}, 1),
        ({**ALL_OK, "ok": 0, "slo": {"met": True}}, 1),
        ({**ALL_OK, "ok": 0, "cancelled": 8}, 1),
        ({**ALL_OK, "ok": 0, "cancelled": 9}, 0),
        ({**ALL_OK, "ok": 0, "valid": False}, 3),
    ],
)
def test_the_exit_code_of_a_run(summary: dict[str, Any], code: int) -> None:
    assert exit_code(summary) == code
