"""Follow a job or a story on the command line until it has ended."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import click

from ..story_methods import ENDED

POLL_S = 0.5
Found = TypeVar("Found", bound=Mapping[str, Any])


def until_ended(find: Callable[[], Found], parts: str = "") -> Found:
    """Call `find` until its job or story has ended, and write each change of the counts to stderr."""
    said = ""
    while True:
        found = find()
        if found["status"] in ENDED:
            return found
        if (line := status_line(found, parts)) != said:
            click.echo(said := line, err=True)
        time.sleep(POLL_S)


def status_line(found: Mapping[str, Any], parts: str = "") -> str:
    """Return the status and counts of a job or a story. `parts` names the counted items, such as `pages`."""
    counted = f"{found['done']} of {found['total']} {parts}".rstrip()
    failed = f", {found['failed']} failed" if found["failed"] else ""
    held = ", held because its key has ended" if found.get("held") else ""
    return f"{found['status']}: {counted}{failed}{held}"
