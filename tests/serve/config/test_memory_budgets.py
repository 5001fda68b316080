"""Memory limits of the edge and the merger: the defaults fit, and faults are reported at the start."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import ValidationError

from deployments.merger import MergerConfig
from serve.app import build
from serve.config.memory_budgets import (
    bytes_in_flight,
    largest_merge_bytes,
    memory_warnings,
    work_bytes,
)
from serve.config.service_config import ServiceConfig
from tests.support.built import deployments_of

REPOSITORY = Path(__file__).parents[3]


def test_the_defaults_are_the_documented_ones() -> None:
    config = ServiceConfig()
    assert bytes_in_flight(config) == 128 << 20
    assert work_bytes(config) == MergerConfig.work_bytes == 700_000_000


def test_a_larger_limit_brings_its_budget_along() -> None:
    config = ServiceConfig.model_validate(
        {"limits": {"max_upload_bytes": 100 << 20, "max_upload_pixels": 8192 * 8192}}
    )
    assert bytes_in_flight(config) == 400 << 20
    assert work_bytes(config) == largest_merge_bytes(config) > 2_000_000_000


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (
            {"limits": {"max_bytes_in_flight": 1 << 20}},
            "limits.max_bytes_in_flight must be at least 67108864",
        ),
        (
            {"jobs": {"max_json_bytes": 64 << 20}, "limits": {"max_bytes_in_flight": 128 << 20}},
            "limits.max_bytes_in_flight must be at least 268435456",
        ),
        ({"merger": {"work_bytes": 500_000_000}}, "merger.work_bytes must be at least 694157312"),
        ({"merger": {"at_once": 0}}, "merger.at_once"),
        ({"merger": {"work_bytes": -1}}, "merger.work_bytes"),
        ({"merger": {"at_once": 9}}, "merger.at_once does nothing above merger.max_ongoing_requests"),
        ({"merger": {"at_ones": 9}}, "merger.at_ones"),
    ],
)
def test_what_does_not_fit_is_refused_by_name(settings: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError) as refused:
        ServiceConfig.model_validate(settings)
    assert said in str(refused.value)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (
            {"merger": {"work_bytes": 900_000_000, "memory_bytes": 1_000_000_000}},
            "merger.memory_bytes should be at least 1125000000",
        ),
        (
            {"limits": {"max_upload_pixels": 8192 * 8192}, "merger": {"memory_bytes": 1_000_000_000}},
            "merger.memory_bytes should be at least",
        ),
        ({"ingress": {"memory_bytes": 400_000_000}}, "ingress.memory_bytes should be at least 493435456"),
    ],
)
def test_less_memory_than_a_replica_may_take_is_warned_of(
    settings: dict[str, Any], said: str, caplog: pytest.LogCaptureFixture
) -> None:
    """It is allowed: for Ray it is what a node reserves, and a small machine may have less to reserve."""
    config = ServiceConfig.model_validate(settings)
    assert [said in warning for warning in memory_warnings(config)] == [True]
    build(config)
    assert said in caplog.text
    assert not list(memory_warnings(ServiceConfig()))


def test_the_mergers_keys_reach_its_replicas() -> None:
    merger = {"at_once": 6, "max_ongoing_requests": 8, "work_bytes": 900_000_000}
    graph = deployments_of(build(ServiceConfig.model_validate({"merger": merger})))
    composition = graph["Merger"].init_args[0]
    assert (composition.at_once, composition.work_bytes) == (6, 900_000_000)
    assert graph["Merger"].max_ongoing_requests == 8


@pytest.mark.parametrize(
    "file",
    sorted(REPOSITORY.glob("kubernetes/**/*.yaml")),
    ids=lambda file: str(file.relative_to(REPOSITORY)),
)
def test_the_manifests_reserve_what_is_needed(file: Path) -> None:
    for document in yaml.safe_load_all(file.read_text(encoding="utf-8")):
        served = (document or {}).get("spec", {}).get("serveConfigV2") if isinstance(document, dict) else None
        if isinstance(served, str):
            ServiceConfig.model_validate(yaml.safe_load(served)["applications"][0]["args"])
