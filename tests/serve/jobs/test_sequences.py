"""Any order of submitting, claiming, ending, dying and cancelling gives every scene exactly one end."""

from __future__ import annotations

from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, rule, run_state_machine_as_test
from sqlalchemy import Engine

from serve.jobs.job_ids import new_job_id
from serve.jobs.job_store import JobStore
from serve.jobs.leases import Leases
from serve.jobs.states import ENDED, Claim, NewScene
from tests.support.databases import clear

OWNERS = st.sampled_from(["a", "b"])


class Jobs(RuleBasedStateMachine):
    engine: Engine
    submitted = Bundle("submitted")
    claims = Bundle("claims")

    def __init__(self) -> None:
        super().__init__()
        clear(self.engine)
        self.store = JobStore(self.engine)
        self.leases = Leases(self.engine, lease_s=10, max_attempts=3, max_losses=4)
        self.now = 0.0
        self.known: dict[str, str] = {}
        self.jobs: dict[tuple[str, int], str] = {}
        self.ends: dict[tuple[str, int], Any] = {}
        self.accepted: dict[tuple[str, int], str] = {}

    @rule(target=submitted, owner=OWNERS, count=st.integers(1, 3))
    def submit(self, owner: str, count: int) -> str:
        scenes = [NewScene(f"job {len(self.known)} {number}", 1.0) for number in range(count)]
        job_id = self.store.submit(new_job_id(), owner, scenes, self.now)
        self.known[job_id] = owner
        self.jobs |= {(job_id, number): scene.job for number, scene in enumerate(scenes)}
        return job_id

    @rule(target=claims)
    def claim(self) -> Claim | None:
        claim = self.leases.claim(self.now)
        if claim:
            assert self.jobs[claim.job_id, claim.number] == claim.job, "a scene's job never changes"
            assert (claim.job_id, claim.number) not in self.ends
        return claim

    @rule(claim=claims)
    def succeed(self, claim: Claim | None) -> None:
        if claim and self.leases.succeed(claim.lease, claim.lease, "jpeg", {}, self.now):
            assert (claim.job_id, claim.number) not in self.accepted, "a scene has only one result"
            self.accepted[claim.job_id, claim.number] = claim.lease

    @rule(claim=claims, retry=st.booleans())
    def fail(self, claim: Claim | None, retry: bool) -> None:
        if claim:
            self.leases.fail(claim.lease, {"code": "c", "message": "m"}, 0.0 if retry else None, self.now)

    @rule(claim=claims)
    def put_back(self, claim: Claim | None) -> None:
        if claim:
            self.leases.put_back(claim.lease, 0.0, self.now)

    @rule(claim=claims)
    def renew(self, claim: Claim | None) -> None:
        if claim:
            held = self.leases.renew([claim.lease], self.now)
            assert held <= {claim.lease}
            if held:
                assert (claim.job_id, claim.number) not in self.ends

    @rule(job_id=submitted)
    def cancel(self, job_id: str) -> None:
        assert self.store.cancel(self.known[job_id], job_id, self.now)

    @rule(seconds=st.sampled_from([1, 11]))
    def time_passes(self, seconds: int) -> None:
        self.now += seconds
        self.leases.recover(self.now)

    @invariant()
    def every_scene_has_one_state_and_ends_for_good(self) -> None:
        for job_id, owner in self.known.items():
            job = self.store.job(owner, job_id)
            assert job and sum(job.counts.values()) == job.total == len(job.scenes)
            for scene in job.scenes:
                place, end = (job_id, scene.number), (scene.status, scene.picture)
                if scene.status in ENDED:
                    assert self.ends.setdefault(place, end) == end
                else:
                    assert place not in self.ends
                assert (scene.status == "succeeded") == (place in self.accepted)
                assert scene.picture == self.accepted.get(place)


def test_sequences(sqlite: Engine) -> None:
    class OnSqlite(Jobs):
        engine = sqlite

    quiet = [HealthCheck.too_slow, HealthCheck.data_too_large]
    run_state_machine_as_test(
        OnSqlite,
        settings=settings(
            max_examples=20, stateful_step_count=25, deadline=None, suppress_health_check=quiet
        ),
    )
