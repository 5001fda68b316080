"""Decide how many replicas each branch should have: a pure function of their work, without Ray or a clock.

Work is measured in seconds of one replica, so that forty steps count twice as much as twenty, and a slow
model more than a fast one. A branch needs enough replicas that a request waits too long only rarely
(`staffing`), and some more while there is a backlog to work off. Both branches are decided together, because
a scene is done with its slower half: the time that it may wait is what the slower branch leaves of the
latency goal, a shortage of GPUs is shared so that both are equally busy, and neither branch shrinks while the
other grows. Where a layer has several models, each is a branch of its own beside the other layer's.

More replicas are requested at once. Fewer, only when nothing in the last `hold_s` would have needed more;
none at all, only where that is allowed and nothing came for `idle_s`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

CHANCE = 4.0
"""Standard deviations by which two rates must differ to be believed different: checked every second, three of
them come up by chance within minutes."""
LONGEST_S = 366 * 86_400.0
MOST_REPLICAS = 1_000_000


@dataclass(frozen=True)
class Goal:
    """`latency_s` is for a whole scene at `quantile`; `other_s` of it goes to the merge and the network.

    `catch_up_s` is the time that a backlog may take to work off: shorter means more replicas for less long.
    A replica goes when nothing has needed it for `hold_s`, and the last one when nothing at all has come for
    `idle_s` besides. `budget` is how many replicas both branches may have in all, such as the GPUs that there
    are.
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
                raise ValueError(f"{name} must not be negative, and at most {LONGEST_S:g}")
        if self.budget is not None and not 1 <= self.budget <= MOST_REPLICAS:
            raise ValueError(f"budget must be from 1 to {MOST_REPLICAS}")


@dataclass(frozen=True)
class BranchLoad:
    """The load of one branch now.

    `offered`: seconds of one replica's work that arrive each second, so the replicas that it keeps busy.
    `backlog_s`: seconds of one replica's work that are under way or wait. `service_s`: one request alone.
    `replicas`: those requested so far. `least` and `most` bound the answer. `layer`: where several branches
    paint the same one with different models, which; a scene waits for one of them.
    """

    offered: float
    backlog_s: float
    service_s: float
    replicas: int
    least: int
    most: int
    layer: str = ""


History = tuple[tuple[float, int], ...]
"""(time, replicas wanted then), the oldest first; only what may still count."""


def decide(
    loads: Mapping[str, BranchLoad], goal: Goal, histories: Mapping[str, History], now: float
) -> tuple[dict[str, int], dict[str, History]]:
    """Return each branch's replicas, and what to remember for the next decision.

    `now` in seconds of any clock.
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
    """Return the replicas for this load alone, between 0 and `most`."""
    if load.offered <= 0 and load.backlog_s <= 0:
        return 0
    # Work under way where nobody waits (Little's law) is no backlog.
    excess_s = max(0.0, load.backlog_s - load.offered * load.service_s)
    catching_up = load.offered + excess_s / max(goal.catch_up_s, load.service_s)
    steady = staffing(load.offered, load.service_s, wait_s, 1 - quantile, load.most)
    return min(load.most, max(1, steady, math.ceil(catching_up - 1e-9)))


def staffing(offered: float, service_s: float, wait_s: float, miss: float, most: int) -> int:
    """Return the fewest servers with which at most `miss` of the requests wait longer than `wait_s`.

    At most `most`.

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
    """Return the requests a second over the longest time in which nothing has changed.

    `counts` are the arrivals in the last 5, 10, … seconds of `windows_s`; nothing was counted before `age_s`
    ago. A window grows as long as the time that it would add saw the same rate, but for chance: arrivals of a
    Poisson process scatter by the root of their number. So a steady load is known well, and a new one soon.
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
    """Return what each branch's own painting leaves of the latency goal.

    A tenth of the painting where no number of replicas meets the goal.
    """
    left_s = goal.latency_s - goal.other_s
    return {name: max(left_s - load.service_s, 0.1 * load.service_s) for name, load in loads.items()}


def _remember(history: History, now: float, wanted: int, keep_s: float) -> History:
    """Add `wanted` to the history.

    Drop an earlier wish that a later one exceeds or equals: it can never again be the highest.
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
    """Give each next replica to the branch that is busiest with what it has.

    The slower half sets the pace.
    """
    pressure = {name: load.offered + load.backlog_s / catch_up_s for name, load in loads.items()}
    shares = {name: min(counts[name], max(1, load.least)) for name, load in loads.items()}
    while sum(shares.values()) < budget:
        short = [name for name in loads if shares[name] < counts[name]]
        if not short:
            break
        shares[max(short, key=lambda name: pressure[name] / shares[name])] += 1
    return shares
