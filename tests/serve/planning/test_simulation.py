"""The simulation against exact results, and the leaps of its replicas against single steps."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from serve.planning.device_profile import LayerProfile, Profile
from serve.planning.replica import Replica, Task
from serve.planning.simulation import Setup, poisson, simulate


def layer(
    step_s: dict[int, float] | None = None, steps: int = 10, encode_s: float = 0.0, decode_s: float = 0.0
) -> LayerProfile:
    return LayerProfile(
        steps=steps, encode_s=encode_s, step_s=step_s or {1: 0.1}, decode_s=decode_s, start_s=5.0
    )


def profile(character: LayerProfile | None = None, background: LayerProfile | None = None) -> Profile:
    return Profile(
        device="none",
        backend="simulated",
        character=character or layer(),
        background=background or layer(),
        merge_s=0.0,
    )


@pytest.mark.parametrize("load", [0.3, 0.7, 0.9])
def test_the_mean_is_that_of_the_queue_with_equal_service_times(load: float) -> None:
    """Equal branches stay in step, so a scene takes as long as in M/D/1: s + load s / (2 (1 - load))."""
    outcome = simulate(profile(), Setup(1, 1, 1), poisson(load, 40_000).tolist())
    assert outcome.latency_s.mean() == pytest.approx(1 + load / (2 * (1 - load)), rel=0.05)
    assert outcome.utilisation["character"] == pytest.approx(load, rel=0.05)
    assert outcome.late_layer_s.max() == pytest.approx(0.0, abs=1e-6)


def test_a_scene_alone_takes_its_slower_branch_and_the_merge() -> None:
    slow = layer(steps=20, encode_s=0.5, decode_s=0.25)
    measured = profile(character=slow).model_copy(update={"merge_s": 0.2, "other_s": 0.1})
    outcome = simulate(measured, Setup(2, 2, 1), [100.0 * scene for scene in range(20)])
    assert outcome.latency_s == pytest.approx(np.full(18, 0.5 + 2.0 + 0.25 + 0.2 + 0.1))
    assert outcome.latency_s[0] == pytest.approx(measured.alone_s)
    assert outcome.late_layer_s == pytest.approx(np.full(18, 1.75))


def test_a_scene_of_several_figures_waits_for_the_last_of_them() -> None:
    """Three layers of a second each on one replica, which paints one picture at a time."""
    arrivals = [100.0 * scene for scene in range(20)]
    one_replica = simulate(profile(), Setup(1, 1, 1), arrivals, figures=3)
    assert one_replica.latency_s == pytest.approx(np.full(18, 3.0))
    assert one_replica.late_layer_s == pytest.approx(np.full(18, 2.0))
    assert one_replica.utilisation["character"] == pytest.approx(
        3 * one_replica.utilisation["background"], rel=0.01
    )
    one_each = simulate(profile(), Setup(3, 1, 1), arrivals, figures=3)
    assert one_each.latency_s.min() == pytest.approx(1.0)


def test_a_shared_forward_carries_more_than_one_after_the_other() -> None:
    shared = profile(*[layer({1: 0.1, 4: 0.16})] * 2)
    arrivals = poisson(1.5, 5_000).tolist()
    alone = simulate(profile(), Setup(2, 2, 1), arrivals)
    together = simulate(shared, Setup(2, 2, 1), arrivals)
    assert together.percentile_s(95) < alone.percentile_s(95)


def test_more_mergers_help_where_merging_is_slow() -> None:
    measured = profile().model_copy(update={"merge_s": 0.9})
    arrivals = poisson(1.0, 3_000).tolist()
    times = [simulate(measured, Setup(3, 3, mergers), arrivals).percentile_s(95) for mergers in (1, 2, 4)]
    assert times[0] > times[1] >= times[2]


@given(
    # Gaps below the simulation's nanosecond count as equal or not only by rounding of floats.
    st.lists(st.just(0.0) | st.floats(1e-6, 4.0), min_size=1, max_size=12),
    st.sampled_from([{1: 0.1}, {1: 0.1, 2: 0.15}, {1: 0.1, 4: 0.25}]),
    st.floats(0.0, 0.2),
)
@settings(max_examples=60, deadline=None)
def test_leaps_end_where_single_steps_do(
    gaps: list[float], step_s: dict[int, float], decode_s: float
) -> None:
    measured = layer(step_s, steps=7, decode_s=decode_s)
    arrivals = np.cumsum(gaps).tolist()
    assert _by_leaps(measured, arrivals) == pytest.approx(_turn_by_turn(measured, arrivals))


def _by_leaps(measured: LayerProfile, arrivals: list[float]) -> list[float]:
    replica, ended = Replica(measured), [0.0] * len(arrivals)
    waiting = list(enumerate(arrivals))
    end: float | None = None
    while waiting or end is not None:
        if waiting and (end is None or waiting[0][1] < end):
            scene, at = waiting.pop(0)
            end = replica.arrive(Task(scene, at, measured.steps), at)
        else:
            assert end is not None
            done, decoded_at, end = replica.run_steps(end)
            for task in done:
                ended[task.scene] = decoded_at
    return ended


def _turn_by_turn(measured: LayerProfile, arrivals: list[float]) -> list[float]:
    """Apply the same rules, one forward at a time."""
    now, ended = 0.0, [0.0] * len(arrivals)
    waiting, tasks = list(enumerate(arrivals)), list[Task]()
    while waiting or tasks:
        if not tasks:
            now = max(now, waiting[0][1])
        while waiting and waiting[0][1] <= now + 1e-12:
            scene, at = waiting.pop(0)
            tasks.append(Task(scene, at, measured.steps))
        tasks.sort(key=lambda task: task.arrived_at + 8 * task.steps_left * measured.step_s[1])
        batch = tasks[: measured.most_pictures]
        now += measured.forward_s(len(batch))
        for task in batch:
            task.steps_left -= 1
        done = [task for task in batch if not task.steps_left]
        now += measured.decode_s * len(done)
        for task in done:
            ended[task.scene] = now
            tasks.remove(task)
    return ended
