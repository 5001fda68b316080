"""The policy as Ray's controller calls it, with Ray's contexts and Ray's own rules applied to its result."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from ray.serve._private.common import DeploymentID
from ray.serve.autoscaling_policy import _apply_app_level_autoscaling_config
from ray.serve.config import AutoscalingConfig, AutoscalingContext, AutoscalingPolicy

from deployments.reports.load_report import WINDOWS_S, LoadReport
from serve.autoscaling.policy import JointPolicy, load_of
from serve.config.serve_file import (
    JOINT_POLICY,
    SHIPPED_FOLDER,
    ConfigFileError,
    load,
)

CONFIG = AutoscalingConfig(min_replicas=0, max_replicas=20, upscale_delay_s=0, downscale_delay_s=0)


def report(
    rps: float = 1.0, request_s: float = 2.0, service_s: float = 2.0, backlog_s: float = 0.0
) -> dict[str, float]:
    arrived = tuple(round(rps * window_s) for window_s in WINDOWS_S)
    return LoadReport(backlog_s, request_s, service_s, arrived, age_s=900.0, jobs=0).as_numbers()


def context(name: str, *reports: dict[str, float], **changes: Any) -> AutoscalingContext:
    """Return a context in which each replica's report is the last of a series that begins with zeros."""
    raw: dict[str, dict[str, list[Any]]] = {}
    for replica, values in enumerate(reports):
        for metric, value in values.items():
            series = [SimpleNamespace(timestamp=0.0, value=0.0), SimpleNamespace(timestamp=1.0, value=value)]
            raw.setdefault(metric, {})[f"replica-{replica}"] = series
    options: dict[str, Any] = {
        "deployment_id": DeploymentID(name, "scenewright"),
        "deployment_name": name,
        "app_name": "scenewright",
        "current_num_replicas": len(reports),
        "target_num_replicas": len(reports),
        "running_replicas": [],
        "total_num_requests": 0.0,
        "total_queued_requests": 0.0,
        "aggregated_metrics": {},
        "raw_metrics": raw,
        "capacity_adjusted_min_replicas": 0,
        "capacity_adjusted_max_replicas": 20,
        "policy_state": {},
        "last_scale_up_time": None,
        "last_scale_down_time": None,
        "current_time": 100.0,
        "config": CONFIG,
    }
    return AutoscalingContext(**(options | changes))


def contexts(*each: AutoscalingContext) -> dict[DeploymentID, AutoscalingContext]:
    return {one.deployment_id: one for one in each}


def test_a_load_is_the_sum_of_the_reports() -> None:
    loaded = load_of(
        context(
            "Character",
            report(backlog_s=3.0, rps=3.0, request_s=2.0),
            report(backlog_s=4.0, rps=1.0, request_s=4.0, service_s=3.0),
            total_queued_requests=2.0,
        )
    )
    assert loaded.offered == pytest.approx(4.0 * 2.5)
    assert loaded.backlog_s == pytest.approx(3.0 + 4.0 + 2 * 2.5)
    assert (loaded.service_s, loaded.replicas, loaded.least, loaded.most) == (3.0, 2, 0, 20)


def test_both_branches_grow_with_the_work_and_not_with_the_requests() -> None:
    policy = JointPolicy(latency_s=8)
    few_long = report(request_s=4.0, service_s=4.0, rps=2.0)
    counts, _ = policy(contexts(context("Character", few_long), context("Background", report())))
    named = {key.name: count for key, count in counts.items()}
    assert named["Character"] > 8 > named["Background"] >= 2


def test_each_model_of_a_layer_is_decided_by_its_own_work() -> None:
    busy, calm = report(rps=4.0), report(rps=0.1)
    named = ("Character", "Character-my-tune", "Background", "Merger")
    given = contexts(*(context(name, calm if name == "Character" else busy) for name in named))
    counts, states = JointPolicy(latency_s=8)(given)
    decided = {key.name: count for key, count in counts.items()}
    assert decided["Character-my-tune"] == decided["Background"] > decided["Character"]
    assert [key.name for key, state in states.items() if "history" in state] == list(named[:3])
    assert load_of(context("Character-my-tune", busy)).layer == "Character"


def test_what_is_remembered_travels_through_ray() -> None:
    """Ray copies the state, keeps its own counters in it, and applies its bounds and delays to the result."""
    policy: Callable[..., Any] = _apply_app_level_autoscaling_config(JointPolicy(latency_s=8, hold_s=60))
    busy = report(rps=5.0)
    first, states = policy(contexts(context("Character", busy), context("Background", busy)))
    calm = [
        context(
            name,
            report(rps=0.02),
            current_time=130.0,
            target_num_replicas=next(iter(first.values())),
            policy_state=states[DeploymentID(name, "scenewright")],
        )
        for name in ("Character", "Background")
    ]
    second, _ = policy(contexts(*calm))
    assert second == first
    assert min(first.values()) > 10


def test_a_caller_waiting_at_zero_replicas_is_served() -> None:
    policy: Callable[..., Any] = _apply_app_level_autoscaling_config(JointPolicy())
    waiting = [context(name, total_num_requests=1.0) for name in ("Character", "Background")]
    counts, _ = policy(contexts(*waiting))
    assert list(counts.values()) == [1, 1]


def test_other_deployments_follow_ray_s_own_policy() -> None:
    merger = context("Merger", {}, total_num_requests=12.0, current_num_replicas=2)
    counts, _ = JointPolicy()(contexts(merger))
    assert counts[merger.deployment_id] == 6.0


def test_a_replica_that_reports_something_else_is_passed_over() -> None:
    assert load_of(context("Character", {"strange": 1.0})).backlog_s == 0.0


def test_ray_can_carry_the_policy_to_its_controller() -> None:
    policy = AutoscalingPolicy(policy_function=JOINT_POLICY, policy_kwargs={"latency_s": 9})
    carried = policy.get_policy()
    assert isinstance(carried(**policy.policy_kwargs), carried)


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        ("latency_s:", "latency:", "policy_kwargs.latency is not a known key; did you mean latency_s?"),
        ("quantile: 0.95", "quantile: 95", "quantile must lie between 0 and 1"),
        ("policy_function:", "policy_func:", "policy_func is not a known key"),
    ],
)
def test_a_wrong_goal_is_refused_before_it_is_deployed(tmp_path: Any, old: str, new: str, fault: str) -> None:
    content = (SHIPPED_FOLDER / "gpu.yaml").read_text()
    assert old in content
    file = tmp_path / "gpu.yaml"
    file.write_text(content.replace(old, new, 1))
    with pytest.raises(ConfigFileError, match=r"autoscaling_policy") as caught:
        load(file)
    assert fault in str(caught.value)
