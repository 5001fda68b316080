"""Make and check the ids and the cursors of jobs."""

from __future__ import annotations

import base64
import binascii
import re
import secrets
from typing import TypeVar

from deployments.errors import InvalidRequest

from ..http.error_responses import Refusal
from .states import JobState

Result = TypeVar("Result")
JOB_ID = re.compile("[0-9a-f]{32}")
NO_JOB = "there is no such job"


def new_job_id() -> str:
    """Return 128 random bits in hex, which nobody can guess."""
    return secrets.token_hex(16)


def check_job_id(job_id: str) -> None:
    """Raise Refusal 404 for a string that cannot be a job's id.

    Not every string may go into a database query: PostgreSQL's text cannot hold NUL.
    """
    if not JOB_ID.fullmatch(job_id):
        raise Refusal(404, "not_found", NO_JOB)


def found_job(found: Result | None, message: str = NO_JOB) -> Result:
    if found is None:
        raise Refusal(404, "not_found", message)
    return found


def cursor_of(job: JobState) -> str:
    return base64.urlsafe_b64encode(f"{job.created_at!r}:{job.id}".encode()).decode()


def place_of(cursor: str) -> tuple[float, str]:
    try:
        created_at, _, job_id = base64.urlsafe_b64decode(cursor.encode()).decode().partition(":")
        if JOB_ID.fullmatch(job_id):
            return float(created_at), job_id
        raise ValueError(job_id)
    except (binascii.Error, ValueError):
        raise InvalidRequest(
            "after is not a cursor of this list: send the `next` of the page before", "after"
        ) from None
