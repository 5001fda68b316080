"""Decide which job steps next: no torch, no clock, no Ray.

Times are seconds of any one clock, and are passed in.

Every job has a due time: when it would finish if it ran `stretch` times slower than alone, but no later than
the last moment at which its remaining steps can start and still meet its deadline:

    due_at = min(arrived_at + stretch * remaining_s, deadline_at - remaining_s)

The job that is due first leads the step, and jobs that may share its forward fill the remaining rows. Short
jobs go first, since they are due soon. Long jobs move to the front as they age, since any job that arrives
after another's due time is itself due later. So a job waits at most for jobs that arrived before it was due.

Batch jobs run only if no interactive job waits, so they cost an interactive job at most the step that was
under way when it arrived. Halfway from its arrival to its deadline a batch job starts to count as
interactive, so endless interactive work delays it but does not starve it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Generic, Literal, TypeVar

from deployments.diffusion.scheduling.batch_key import BatchKey
from deployments.diffusion.scheduling.cost_model import CostModel, RowLimits
from deployments.messages import Priority


@dataclass(eq=False)
class ScheduledJob:
    """One job as the scheduler sees it. The engine's work items derive from this class.

    `rows` is the number of rows in its next forward. `ahead` is how many jobs were more urgent when the last
    step was chosen, 0 if the job was in it. `calls` is the number of forwards in each of its steps. Jobs of
    one size share a forward if their `forward_key` is equal. It is None while unknown, or if it does not
    matter.
    """

    key: BatchKey
    rows: int
    steps_left: int
    arrived_at: float
    deadline_at: float
    priority: Priority = "interactive"
    ahead: int = 0
    calls: int = 1
    forward_key: Hashable = None


Job = TypeVar("Job", bound=ScheduledJob)


@dataclass(frozen=True)
class Refusal:
    """The reason to refuse a job: too late even on an idle replica, or too many others ahead of it."""

    reason: Literal["too late", "too many"]
    retry_after_s: float = 0.0


class Scheduler(Generic[Job]):
    """Choose jobs by urgency.

    `cap_rows` is the most rows of one forward at the cost model's native size, found by calibration.
    """

    def __init__(self, cost_model: CostModel, cap_rows: int, stretch: float, max_jobs: int) -> None:
        self.cost_model = cost_model
        self._row_limits = RowLimits(cap_rows)
        self._stretch = stretch
        self._max_jobs = max_jobs
        self._jobs: list[Job] = []

    def __len__(self) -> int:
        return len(self._jobs)

    def refusal(self, job: Job, now: float) -> Refusal | None:
        """Return None if the job can be added and, as far as is known, finished by its deadline."""
        least_s = job.steps_left * job.calls * self.cost_model.best_s(job.key, job.rows)
        if now + least_s > job.deadline_at:
            return Refusal("too late")
        if len(self._jobs) >= self._max_jobs:
            return Refusal("too many", min(map(self._remaining_s, self._jobs), default=0.0))
        rank = self._rank(job, now)
        before = [other for other in self._jobs if self._rank(other, now) <= rank]
        if not before:
            return None
        finish_at = now + max(self._remaining_s(job), self._shared_s([*before, job]))
        return Refusal("too many", finish_at - job.deadline_at) if finish_at > job.deadline_at else None

    def add(self, job: Job) -> None:
        self._jobs.append(job)

    def remove(self, job: Job) -> None:
        """Remove a job. Idempotent."""
        if job in self._jobs:
            self._jobs.remove(job)

    def choose(self, now: float) -> list[Job]:
        """Return the jobs of the next step, the most urgent first; they share a key and fit its row limit."""
        by_urgency = sorted(self._jobs, key=lambda job: self._rank(job, now))
        if not by_urgency:
            return []
        lead = by_urgency[0]
        free_rows = self.cap_rows(lead.key)
        chosen: list[Job] = []
        for place, job in enumerate(by_urgency):
            job.ahead = place
            alike = (job.key, _stands_back(job, now)) == (lead.key, _stands_back(lead, now))
            fits = alike and job.rows <= free_rows
            if job is lead or fits:
                chosen.append(job)
                job.ahead = 0
                free_rows -= job.rows
        return chosen

    def due_at(self, job: Job) -> float:
        remaining_s = self._remaining_s(job)
        return min(job.arrived_at + self._stretch * remaining_s, job.deadline_at - remaining_s)

    def _rank(self, job: Job, now: float) -> tuple[bool, float]:
        return _stands_back(job, now), self.due_at(job)

    def cap_rows(self, key: BatchKey) -> int:
        return self._row_limits.rows(key, self.cost_model.area_ratio(key))

    def lower_cap(self, key: BatchKey, failed_rows: int) -> None:
        """Record that the device had no room for this many rows."""
        self._row_limits.lower(key, self.cost_model.area_ratio(key), failed_rows)

    def observe(self, key: BatchKey, forwards: Sequence[int], seconds: float) -> None:
        """Record the seconds of a successful step, given the rows of each of its forwards."""
        self.cost_model.observe(key, forwards, seconds)
        self._row_limits.had(key, max(forwards))

    def _remaining_s(self, job: Job) -> float:
        return job.steps_left * job.calls * self.cost_model.forward_s(job.key, job.rows)

    def _shared_s(self, jobs: Sequence[Job]) -> float:
        """Return the seconds of all their steps if every forward were as full as it can be.

        A job with a known `forward_key` shares only with jobs of that key, or of a key that is still unknown.
        """
        rows: Counter[tuple[BatchKey, Hashable]] = Counter()
        for job in jobs:
            rows[job.key, job.forward_key] += job.rows
        total_s = 0.0
        for job in jobs:
            cap = self.cap_rows(job.key)
            if job.forward_key is not None:
                cap = min(cap, rows[job.key, job.forward_key] + rows[job.key, None])
            cap = max(cap, job.rows)
            total_s += job.steps_left * job.calls * self.cost_model.forward_s(job.key, cap) * job.rows / cap
        return total_s


def _stands_back(job: ScheduledJob, now: float) -> bool:
    return job.priority == "batch" and now < (job.arrived_at + job.deadline_at) / 2
