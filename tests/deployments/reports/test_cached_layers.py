from __future__ import annotations

from collections.abc import Callable

from deployments.messages import LayerJob
from deployments.reports.load_report import REMEMBERED_LAYERS, CachedLayers

MakeJob = Callable[..., LayerJob]


def test_a_layer_is_cached_while_it_is_painted_and_while_it_is_kept(make_job: MakeJob) -> None:
    cached_layers, job = CachedLayers(keeps=True), make_job()
    cached_layers.begin(job)
    assert cached_layers.cache_keys() == (job.cache_key,)
    cached_layers.end(job, as_requested=True)
    assert cached_layers.cache_keys() == (job.cache_key,)


def test_what_failed_or_is_not_as_requested_is_cold(make_job: MakeJob) -> None:
    cached_layers, job = CachedLayers(keeps=True), make_job()
    cached_layers.begin(job)
    cached_layers.end(job, as_requested=False)
    assert cached_layers.cache_keys() == ()


def test_a_replica_that_keeps_nothing_is_cold_afterwards(make_job: MakeJob) -> None:
    cached_layers, job = CachedLayers(keeps=False), make_job()
    cached_layers.begin(job)
    cached_layers.end(job, as_requested=True)
    assert cached_layers.cache_keys() == ()


def test_what_may_not_be_stored_is_not_reported(make_job: MakeJob) -> None:
    cached_layers = CachedLayers(keeps=True)
    cached_layers.begin(make_job(no_store=True))
    assert cached_layers.cache_keys() == ()


def test_the_least_recently_requested_are_forgotten(make_job: MakeJob) -> None:
    cached_layers, jobs = (
        CachedLayers(keeps=True),
        [make_job(seed=seed) for seed in range(REMEMBERED_LAYERS + 1)],
    )
    for job in jobs[:-1]:
        cached_layers.begin(job)
    cached_layers.begin(jobs[0])
    cached_layers.begin(jobs[-1])
    reported = cached_layers.cache_keys()
    assert len(reported) == REMEMBERED_LAYERS
    assert jobs[0].cache_key in reported and jobs[1].cache_key not in reported
