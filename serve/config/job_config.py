"""Settings of jobs: where they are kept, for how long, and how they are processed."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, ClassVar

from pydantic import AfterValidator, Field, StringConstraints
from sqlalchemy import make_url
from sqlalchemy.exc import ArgumentError

from deployments.bounds import Bytes, BytesOrNone, Count, CountOrNone, Seconds

from .access import EndedWork

DAY_S = 86_400.0
Many = Annotated[int, Field(ge=1, le=10**9)]


def _database(url: str) -> str:
    """Refuse a wrong URL here, without showing it: a driver's own message may hold a password."""
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):
        raise ValueError(
            "must be a SQLAlchemy URL, such as postgresql+psycopg://user:password@host/name"
        ) from None
    if "@" in (parsed.host or ""):
        raise ValueError("contains more than one @: write an @ in a password as %40")
    if parsed.get_backend_name() not in ("sqlite", "postgresql"):
        raise ValueError("must be a URL for PostgreSQL, or for SQLite on a single node")
    in_memory = parsed.database in (None, "", ":memory:") or parsed.query.get("mode") == "memory"
    if parsed.get_backend_name() == "sqlite" and in_memory:
        raise ValueError(
            "must name a file: data in memory is lost with its process, and other processes cannot see it"
        )
    return url


def _pictures(place: str) -> str:
    if place.rpartition("::")[2].startswith("memory:"):
        raise ValueError(
            "must not be in memory: data there is lost with its process, and other processes cannot see it"
        )
    return place


@dataclass(frozen=True)
class JobConfig:
    """Storage of jobs and their pictures, and the limits of painting them.

    `database` is a SQLAlchemy URL, by default a SQLite file in the state folder. `pictures` is a folder or a
    URL that fsspec knows (`s3://bucket/folder`, with keys and endpoint from the environment), by default also
    in the state folder. On several nodes the database must be PostgreSQL, and a folder must be one that all
    of them mount (node_local.py).

    A worker paints `concurrency` scenes at once. A worker that has not been heard of for `lease_s` is
    presumed dead, and its scenes go to another. `max_waiting_scenes` is per tenant. `ended_keys` decides what
    happens to the waiting scenes of a key that was revoked or has expired. `hold` keeps them until the tenant
    or an admin releases or cancels them, for as long as `retention_s`. A scene whose kept picture is damaged
    is painted again up to `max_repaints` times.
    """

    __pydantic_config__: ClassVar[dict[str, str]] = {"extra": "forbid"}

    database: Annotated[str, AfterValidator(_database)] | None = field(default=None, repr=False)
    pictures: Annotated[str, StringConstraints(min_length=1), AfterValidator(_pictures)] | None = None
    concurrency: Count = 2
    lease_s: Seconds = 15.0
    poll_s: Seconds = 0.5
    max_attempts: Count = 3
    max_losses: Count = 10
    max_repaints: CountOrNone = 3
    max_waiting_scenes: Many = 20_000
    max_json_bytes: Bytes = 8 << 20
    max_json_values: Many = 200_000
    min_free_bytes: BytesOrNone = 64 << 20
    max_stored_bytes: Bytes = 20 << 30
    max_stored_scenes: Many = 200_000
    retention_s: Seconds = 7 * DAY_S
    ended_keys: EndedWork = "hold"

    def database_url(self, state_dir: Path) -> str:
        return self.database or f"sqlite:///{state_dir / 'jobs.sqlite'}"

    def pictures_place(self, state_dir: Path) -> str:
        return self.pictures or str(state_dir / "pictures")
