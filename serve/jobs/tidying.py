"""Delete rows that were kept for long enough, and drop pictures without an owner."""

from __future__ import annotations

import asyncio

from sqlalchemy import Engine

from ..config.job_config import JobConfig
from ..pictures import loose_pictures as loose
from ..pictures.holds import release_ended_jobs
from ..pictures.picture_files import Pictures
from ..pictures.picture_store import forget_expired
from ..pictures.result_store import forget_expired_results
from ..usage.usage_store import forget as forget_old_usage
from ..webhooks import outbox
from . import ended_keys
from .leases import Leases
from .scene_keeping import drop_picture

YOUNG_S = 3_600.0
"""The least age of a note to act on: the process of a younger one may still be about to keep the picture."""


async def tidy(leases: Leases, pictures: Pictures, engine: Engine, config: JobConfig) -> None:
    """Settle ended keys; forget old jobs, usage, webhooks, pictures, results: each in its own transaction."""
    await asyncio.to_thread(ended_keys.settle, engine, config.ended_keys)
    await asyncio.to_thread(ended_keys.give_up, engine, config.retention_s)
    while await asyncio.to_thread(leases.forget, config.retention_s):
        continue
    await asyncio.to_thread(release_ended_jobs, engine)
    await asyncio.to_thread(forget_old_usage, engine)
    await asyncio.to_thread(outbox.forget, engine)
    for forget in (forget_expired, forget_expired_results):
        while await asyncio.to_thread(forget, engine):
            continue
    seen: set[str] = set()
    while tokens := set(await asyncio.to_thread(loose.old, engine, YOUNG_S)) - seen:
        seen |= tokens
        for token in tokens:
            await asyncio.to_thread(drop_picture, engine, pictures, token)
