"""Decide how many replicas each branch should have: a pure function of its work, without Ray or a clock.

Work is measured in seconds of one replica, so forty steps count twice as much as twenty, and a slow model
counts more than a fast one. A branch needs enough replicas that a request rarely waits too long (`staffing`),
and more while there is a backlog to work off. Both branches are decided together, because a scene is done
only when its slower branch is: each branch may spend on waiting what its painting leaves of the latency goal,
a shortage of GPUs is shared so that both branches are equally busy, and neither branch shrinks while the
other grows. If a layer has several models, each model is a separate branch.

The count rises at once. It falls only when nothing in the last `hold_s` would have needed more, and to zero
only if that is allowed and nothing came for `idle_s`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

CHANCE = 4.0
"""Two rates count as different if they differ by this many standard deviations. With a check every second,
a difference of three comes up by chance within minutes."""
LONGEST_S = 366 * 86_400.0
MOST_REPLICAS = 1_000_000


@dataclass(frozen=True)
class Goal:
    """`latency_s` is for a whole scene at `quantile`; `other_s` of it goes to the merge and the network.

    `catch_up_s` is the time in which a backlog should be worked off: a shorter time means more replicas, for
    less long. A replica is removed when nothing has needed it for `hold_s`, and the last one only if nothing
    has come for `idle_s` as well. `budget` is the most replicas that all branches may have together, such as
    the number of GPUs.
    """

    latency_s: float = 15.0
    quantile: float = 0.95
    other_s: float = 0.5
    catch_up_s: float = 30.0
    hold_s: float = 600.0
    idle_s: float = 600.0
    budget: int | None = None

    def __post_init__(self) -> None:
        if not 0 < self.quantile < 1:
            raise ValueError("quantile must lie between 0 and 1")
        for name in ("latency_s", "catch_up_s"):
            if not 0 < getattr(self, name) <= LONGEST_S:
                raise ValueError(f"{name} must be more than 0 and at most {LONGEST_S:g}")
        for name in ("other_s", "hold_s", "idle_s"):
            if not 0 <= getattr(self, name) <= LONGEST_S:
                raise ValueError(f"{name} must be from 0 to {LONGEST_S:g}")
        if self.budget is not None and not 1 <= self.budget <= MOST_REPLICAS:
            raise ValueError(f"budget must be from 1 to {MOST_REPLICAS}")


@dataclass(frozen=True)
class BranchLoad:
    """The load of one branch now.

    `offered`: seconds of replica work that arrive each second, which is the number of replicas kept busy.
    `backlog_s`: seconds of replica work under way or waiting. `service_s`: the time of one request alone.
    `replicas`: the present target. `least` and `most` bound the result. `layer`: the layer that this branch
    paints, if several branches paint it with different models; a scene waits for one of them.
    """

    offered: float
    backlog_s: float
    service_s: float
    replicas: int
    least: int
    most: int
    layer: str = ""


History = tuple[tuple[float, int], ...]
"""(time, replicas wanted then), the oldest first. Entries that can no longer count are dropped."""


def decide(
    loads: Mapping[str, BranchLoad], goal: Goal, histories: Mapping[str, History], now: float
) -> tuple[dict[str, int], dict[str, History]]:
    """Return each branch's number of replicas, and the histories to pass to the next decision.

    `now` is in seconds, by any clock.
    """
    wait_s = _waiting_time(loads, goal)
    layers = {name: load.layer or name for name, load in loads.items()}
    quantile = goal.quantile ** (1 / max(1, len(set(layers.values()))))
    counts, remembered = {}, {}
    for name, load in loads.items():
        wanted = required(load, goal, wait_s[name], quantile)
        remembered[name] = _remember(histories.get(name, ()), now, wanted, max(goal.hold_s, goal.idle_s))
        counts[name] = _bounded(_held(remembered[name], goal, now), load)
    growing = {layers[name] for name, load in loads.items() if counts[name] > load.replicas}
    for name, load in loads.items():
        if growing - {layers[name]}:
            counts[name] = max(counts[name], _bounded(load.replicas, load))
    if goal.budget is not None and sum(counts.values()) > goal.budget:
        counts = _shared(counts, loads, goal.budget, goal.catch_up_s)
    return counts, remembered


def required(load: BranchLoad, goal: Goal, wait_s: float, quantile: float) -> int:
    """Return the number of replicas for this load alone, between 0 and `most`."""
    if load.offered <= 0 and load.backlog_s <= 0:
        return 0
    # By Little's law this much work is under way even if nobody waits, so it is no backlog.
    excess_s = max(0.0, load.backlog_s - load.offered * load.service_s)
    catching_up = load.offered + excess_s / max(goal.catch_up_s, load.service_s)
    steady = staffing(load.offered, load.service_s, wait_s, 1 - quantile, load.most)
    return min(load.most, max(1, steady, math.ceil(catching_up - 1e-9)))


def staffing(offered: float, service_s: float, wait_s: float, miss: float, most: int) -> int:
    """Return the fewest servers with which at most `miss` of the requests wait longer than `wait_s`.

    The result is at most `most`.

    Erlang's C formula, P(wait > t) = C(n, a) exp(-(n - a) t / s), with the exponent doubled: equal service
    times halve the wait (Allen and Cunneen's correction for a service time without variance).
    """
    if offered <= 0:
        return 0
    blocking = 1.0
    for servers in range(1, most):
        blocking = offered * blocking / (servers + offered * blocking)
        if servers <= offered:
            continue
        waits = blocking / (1 - offered / servers * (1 - blocking))
        if waits * math.exp(-2 * (servers - offered) * wait_s / max(service_s, 1e-9)) <= miss:
            return servers
    return most


def arrival_rate(counts: Sequence[float], windows_s: Sequence[float], age_s: float) -> float:
    """Return the requests per second over the longest recent window in which the rate was steady.

    `counts` are the arrivals in the last 5, 10, … seconds of `windows_s`; counting began `age_s` ago. The
    window grows as long as the time that it would add had the same rate, within chance: the number of
    arrivals of a Poisson process varies by its square root. So the estimate is precise under a steady load
    and follows a new load quickly.
    """
    count, length_s = 0.0, 0.0
    for more, window_s in zip(counts, windows_s, strict=True):
        older, older_s = more - count, min(window_s, age_s) - length_s
        if older_s <= 0:
            break
        if length_s:
            scatter = math.sqrt(max(count, 1.0) / length_s**2 + max(older, 1.0) / older_s**2)
            if abs(count / length_s - older / older_s) > CHANCE * scatter:
                break
        count, length_s = more, length_s + older_s
    return count / length_s if length_s else 0.0


def _waiting_time(loads: Mapping[str, BranchLoad], goal: Goal) -> dict[str, float]:
    """Return the seconds that each branch's painting leaves of the latency goal.

    If no number of replicas can meet the goal, return a tenth of the painting time.
    """
    left_s = goal.latency_s - goal.other_s
    return {name: max(left_s - load.service_s, 0.1 * load.service_s) for name, load in loads.items()}


def _remember(history: History, now: float, wanted: int, keep_s: float) -> History:
    """Add `wanted` to the history.

    Drop an earlier entry that a later one exceeds or equals: it can never again be the highest.
    """
    kept = tuple((time, count) for time, count in history if now - time <= keep_s and count > wanted)
    return (*kept, (now, wanted))


def _held(history: History, goal: Goal, now: float) -> int:
    highest = max(count for time, count in history if now - time <= goal.hold_s)
    if highest == 0 and any(count for time, count in history if now - time <= goal.idle_s):
        return 1
    return highest


def _bounded(count: int, load: BranchLoad) -> int:
    return max(load.least, min(load.most, count))


def _shared(
    counts: Mapping[str, int], loads: Mapping[str, BranchLoad], budget: int, catch_up_s: float
) -> dict[str, int]:
    """Share the budget: give each next replica to the branch with the most work per replica.

    A scene waits for its slower branch.
    """
    pressure = {name: load.offered + load.backlog_s / catch_up_s for name, load in loads.items()}
    shares = {name: min(counts[name], max(1, load.least)) for name, load in loads.items()}
    while sum(shares.values()) < budget:
        short = [name for name in loads if shares[name] < counts[name]]
        if not short:
            break
        shares[max(short, key=lambda name: pressure[name] / shares[name])] += 1
    return shares
