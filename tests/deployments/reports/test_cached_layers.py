from __future__ import annotations

from collections.abc import Callable

from deployments.messages import LayerJob
from deployments.reports.load_report import REMEMBERED_LAYERS, CachedLayers

MakeJob = Callable[..., LayerJob]


def test_a_layer_is_warm_while_it_is_painted_and_while_it_is_kept(make_job: MakeJob) -> None:
    warmth, job = CachedLayers(keeps=True), make_job()
    warmth.begin(job)
    assert warmth.likenesses() == (job.likeness,)
    warmth.end(job, as_asked=True)
    assert warmth.likenesses() == (job.likeness,)


def test_what_failed_or_is_not_as_asked_is_cold(make_job: MakeJob) -> None:
    warmth, job = CachedLayers(keeps=True), make_job()
    warmth.begin(job)
    warmth.end(job, as_asked=False)
    assert warmth.likenesses() == ()


def test_a_replica_that_keeps_nothing_is_cold_afterwards(make_job: MakeJob) -> None:
    warmth, job = CachedLayers(keeps=False), make_job()
    warmth.begin(job)
    warmth.end(job, as_asked=True)
    assert warmth.likenesses() == ()


def test_what_may_not_be_stored_is_not_told(make_job: MakeJob) -> None:
    warmth = CachedLayers(keeps=True)
    warmth.begin(make_job(no_store=True))
    assert warmth.likenesses() == ()


def test_the_least_recently_asked_for_are_forgotten(make_job: MakeJob) -> None:
    warmth, jobs = CachedLayers(keeps=True), [make_job(seed=seed) for seed in range(REMEMBERED_LAYERS + 1)]
    for job in jobs[:-1]:
        warmth.begin(job)
    warmth.begin(jobs[0])
    warmth.begin(jobs[-1])
    told = warmth.likenesses()
    assert len(told) == REMEMBERED_LAYERS
    assert jobs[0].likeness in told and jobs[1].likeness not in told
