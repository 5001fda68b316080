"""Submit jobs to a store, without HTTP."""

from __future__ import annotations

from collections.abc import Callable

from serve.jobs.job_ids import new_job_id
from serve.jobs.job_store import JobStore
from serve.jobs.states import NewScene

New = Callable[[int], list[NewScene]]


def submit(store: JobStore, scenes: list[NewScene], owner: str = "me", now: float = 0, **more: object) -> str:
    return store.submit(new_job_id(), owner, scenes, now, **more)  # type: ignore[arg-type]
