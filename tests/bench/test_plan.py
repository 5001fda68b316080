"""Run the smallest benchmark of the plan, and check its results for known figures."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from bench import plan
from serve.planning.simulation import Setup

Bench = Callable[..., tuple[str, Any]]
COMPARED = plan.Compared(Setup(2, 1, 1), 1.5, np.full(20, 2.0), np.full(20, 1.9), failed=0)


def test_the_plan_is_off_by_its_share_of_what_was_measured() -> None:
    assert COMPARED.percentiles(95) == pytest.approx((2.0, 1.9, -0.05))


def test_the_page_has_a_row_of_every_service() -> None:
    rows = plan.page([COMPARED, COMPARED], "here").splitlines()
    assert rows[0] == "here"
    assert rows[-2:] == ["| 2 | 1 | 1.50 | 2.00 | 1.90 | 2.00 | 1.90 | -5.0% | 0 |"] * 2


def test_the_services_are_the_twelve_that_are_promised() -> None:
    assert len(plan.SETUPS) * len(plan.LOADS) == 12
    config = plan.config(Setup(3, 2, 1))
    assert (config.character.replicas.num_replicas, config.background.replicas.num_replicas) == (3, 2)


def test_no_load_is_answered_from_what_was_kept_of_the_one_before() -> None:
    config = plan.config(Setup(1, 1, 1))
    assert not config.character.generator.keeps_layers and not config.background.generator.keeps_layers


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_service_is_measured_beside_its_plan(bench: Bench) -> None:
    printed, (report,) = bench("plan")
    assert report["failed"] == 0
    assert report["p95_s"]["measured"] > 0 and report["p95_s"]["planned"] > 0
    assert "SIMULATED" in printed
