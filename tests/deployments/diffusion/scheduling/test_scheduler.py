from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as some

from deployments.diffusion.scheduling.batch_key import BatchKey
from deployments.diffusion.scheduling.cost_model import CostModel
from deployments.diffusion.scheduling.scheduler import Refusal, ScheduledJob, Scheduler

SMALL, LARGE = BatchKey(64, 64), BatchKey(128, 64)
STRETCH = 4.0


def scheduler(cap_rows: int = 4, step_s: float = 1.0, max_jobs: int = 100) -> Scheduler:
    """Return a scheduler whose forwards take `step_s` for any number of rows, and twice that for LARGE."""
    return Scheduler(CostModel(SMALL, {1: step_s, 64: step_s}), cap_rows, STRETCH, max_jobs)


def job(steps: int, at: float = 0.0, key: BatchKey = SMALL, rows: int = 2, **more: object) -> ScheduledJob:
    return ScheduledJob(key, rows, steps, at, **({"deadline_at": 1e9} | more))  # type: ignore[arg-type]


def run(
    made: Scheduler, jobs: list[ScheduledJob], each_turn: Callable[[list[ScheduledJob], float], None]
) -> None:
    """Run turns of one second until all jobs are done; jobs arrive at their times."""
    waiting, now = sorted(jobs, key=lambda each: each.arrived_at), 0.0
    while waiting or len(made):
        while waiting and waiting[0].arrived_at <= now:
            made.add(waiting.pop(0))
        chosen = made.choose(now)
        each_turn(chosen, now)
        for each in chosen:
            each.steps_left -= 1
            if not each.steps_left:
                made.remove(each)
        now += 1.0


def test_nothing_to_do_is_no_step() -> None:
    assert scheduler().choose(0.0) == []


def test_the_shortest_goes_first_and_peers_fill_the_room() -> None:
    made = scheduler(cap_rows=4)
    long, short, middle = job(50), job(4), job(20)
    for each in (long, short, middle):
        made.add(each)
    assert made.choose(0.0) == [short, middle]


def test_a_single_row_fits_where_a_guided_picture_does_not() -> None:
    made = scheduler(cap_rows=3)
    lead, guided, single = job(1), job(2), job(3, rows=1)
    for each in (lead, guided, single):
        made.add(each)
    assert made.choose(0.0) == [lead, single]


def test_a_picture_larger_than_the_row_limit_is_still_stepped() -> None:
    made = scheduler(cap_rows=1)
    made.add(job(3, rows=2))
    assert len(made.choose(0.0)) == 1


def test_only_equal_keys_share_a_forward() -> None:
    made = scheduler(cap_rows=8)
    small, large, other = job(5), job(9, key=LARGE), job(7)
    for each in (small, large, other):
        made.add(each)
    assert made.choose(0.0) == [small, other]


def test_a_short_job_of_another_size_does_not_wait_behind_the_head_of_the_line() -> None:
    made, order = scheduler(), []
    jobs = [job(30), job(30), job(2, at=5.0, key=LARGE)]
    run(made, jobs, lambda chosen, now: order.append((now, chosen[0].key)))
    assert [now for now, key in order if key == LARGE] == [5.0, 6.0]


def test_a_near_deadline_goes_before_shorter_work() -> None:
    made = scheduler(cap_rows=2)
    short, pressed = job(3), job(10, deadline_at=11.0)
    made.add(short)
    made.add(pressed)
    assert made.choose(0.0) == [pressed]


def test_what_has_waited_long_goes_before_what_is_short() -> None:
    made = scheduler(cap_rows=2)
    aged, fresh = job(10), job(2, at=10 * STRETCH)
    made.add(aged)
    made.add(fresh)
    assert made.choose(0.0) == [aged]
    made.remove(fresh)
    made.add(job(2, at=1.0))
    assert made.choose(0.0)[0].steps_left == 2


def test_the_cap_follows_the_size_and_halves_when_lowered() -> None:
    made = scheduler(cap_rows=8)
    assert (made.cap_rows(SMALL), made.cap_rows(LARGE)) == (8, 4)
    made.lower_cap(SMALL, 8)
    assert (made.cap_rows(SMALL), made.cap_rows(LARGE)) == (4, 4)
    made.lower_cap(SMALL, 3)
    made.lower_cap(SMALL, 1)
    assert made.cap_rows(SMALL) == 1


def test_batch_work_has_the_steps_that_no_other_job_wants() -> None:
    made, turns = scheduler(cap_rows=64), []
    batch = [job(20, priority="batch") for _ in range(3)]
    requested = [job(5, at=3.0), job(2, at=4.0)]
    run(made, batch + requested, lambda chosen, now: turns.append({each.priority for each in chosen}))
    assert turns[:3] == [{"batch"}] * 3
    assert turns[3:8] == [{"interactive"}] * 5
    assert turns[8:] == [{"batch"}] * 17


def test_batch_work_is_only_delayed_by_interactive_cost_without_an_end() -> None:
    made, turns = scheduler(cap_rows=2), []
    endless = [job(4, at=float(at)) for at in range(0, 200, 4)]
    late = job(6, deadline_at=100.0, priority="batch")

    def check(chosen: list[ScheduledJob], now: float) -> None:
        if late in chosen:
            turns.append(now)

    run(made, [late, *endless], check)
    assert turns[0] >= 50.0 and turns[-1] < 100.0, "it starts at half its time, and ends in time"


def test_batch_work_past_the_middle_of_its_time_shares_forwards_with_interactive_cost() -> None:
    made = scheduler(cap_rows=4)
    requested, late = job(4), job(4, deadline_at=100.0, priority="batch")
    made.add(requested)
    made.add(late)
    assert made.choose(49.0) == [requested]
    assert set(made.choose(50.0)) == {requested, late}


def test_a_job_too_long_for_its_deadline_is_refused_even_alone() -> None:
    assert scheduler().refusal(job(10, deadline_at=9.0), 0.0) == Refusal("too late")
    assert scheduler().refusal(job(10, deadline_at=11.0), 0.0) is None


def test_a_job_that_comes_behind_too_much_work_gets_retry_after() -> None:
    made = scheduler(cap_rows=2)
    for _ in range(3):
        made.add(job(10))
    late = job(10, deadline_at=25.0)
    refusal = made.refusal(late, 0.0)
    assert refusal is None, "its deadline puts it ahead of them"
    for each in made._jobs:
        each.deadline_at = 20.0
    assert made.refusal(late, 0.0) == Refusal("too many", 15.0)
    assert made.refusal(job(2, deadline_at=25.0), 0.0) is None, "short work goes first"


def test_interactive_cost_is_not_refused_for_the_sake_of_batch_work() -> None:
    made = scheduler(cap_rows=2)
    for _ in range(50):
        made.add(job(100, priority="batch"))
    assert made.refusal(job(10, deadline_at=15.0), 0.0) is None
    assert made.refusal(job(10, deadline_at=15.0, priority="batch"), 0.0) is None
    made.add(job(100, deadline_at=101.0))
    assert made.refusal(job(10, deadline_at=15.0, priority="batch"), 0.0) is not None


def test_the_number_of_jobs_is_bounded() -> None:
    made = scheduler(max_jobs=2)
    made.add(job(5))
    made.add(job(7))
    refusal = made.refusal(job(1), 0.0)
    assert refusal is not None and (refusal.reason, refusal.retry_after_s) == ("too many", 5.0)


some_jobs = some.lists(
    some.builds(
        job,
        some.integers(1, 30),
        some.integers(0, 60).map(float),
        some.sampled_from([SMALL, LARGE]),
        some.sampled_from([1, 2]),
    ),
    min_size=1,
    max_size=25,
)


@given(some_jobs, some.integers(1, 9))
def test_nobody_starves(jobs: list[ScheduledJob], cap_rows: int) -> None:
    """A job waits only for turns led by jobs that arrived before it was due: no longer than their work."""
    made = scheduler(cap_rows=cap_rows)
    due_at = {each: made.due_at(each) for each in jobs}
    bound = {
        each: sum(other.steps_left for other in jobs if other.arrived_at <= due_at[each]) for each in jobs
    }
    waited = dict.fromkeys(jobs, 0)

    def check(chosen: list[ScheduledJob], now: float) -> None:
        for each in jobs:
            if each.steps_left and each.arrived_at <= now and each not in chosen:
                waited[each] += 1
                assert chosen[0].arrived_at <= due_at[each]

    run(made, jobs, check)
    assert all(waited[each] <= bound[each] for each in jobs)


@given(some_jobs, some.integers(2, 9))
def test_a_step_is_one_key_within_its_row_limit_and_every_step_runs_once(
    jobs: list[ScheduledJob], cap_rows: int
) -> None:
    made = scheduler(cap_rows=cap_rows)
    requested = sum(each.steps_left for each in jobs)
    taken = 0

    def check(chosen: list[ScheduledJob], now: float) -> None:
        nonlocal taken
        taken += len(chosen)
        if chosen:
            assert {each.key for each in chosen} == {chosen[0].key}
            assert len(set(chosen)) == len(chosen)
            alone = len(chosen) == 1
            assert alone or sum(each.rows for each in chosen) <= made.cap_rows(chosen[0].key)

    run(made, jobs, check)
    assert taken == requested


@pytest.mark.parametrize("count", [1, 5])
def test_urgency_is_reported_in_order(count: int) -> None:
    made = scheduler(cap_rows=64)
    for steps in range(count, 0, -1):
        made.add(job(steps))
    assert all(one.steps_left < other.steps_left for one, other in pairwise(made.choose(0.0)))


def test_each_job_knows_how_many_are_more_urgent_and_those_in_the_step_that_none_is() -> None:
    made = scheduler(cap_rows=4)
    long, other, short, middle = job(50), job(30, key=LARGE), job(4), job(20)
    for each in (long, other, short, middle):
        made.add(each)
    assert made.choose(0.0) == [short, middle]
    assert [each.ahead for each in (short, middle, long, other)] == [0, 0, 2, 3]
    made.remove(short)
    made.remove(middle)
    assert made.choose(0.0) == [long]
    assert (long.ahead, other.ahead) == (0, 1)


@pytest.mark.parametrize(("forward_keys", "is_refused"), [("aa", False), ("ab", True)])
def test_jobs_that_cannot_share_a_forward_are_not_expected_to(forward_keys: str, is_refused: bool) -> None:
    """Texts of two lengths need two forwards per step: ten steps of three jobs take more than 13 s."""
    made = scheduler(cap_rows=6)
    for forward_key in forward_keys:
        made.add(job(10, deadline_at=12.0, forward_key=forward_key))
    assert (made.refusal(job(10, deadline_at=13.0), 0.0) is not None) is is_refused
