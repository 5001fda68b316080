"""The folder of a service's jobs, pictures and keys: name it at the start, and mark it as in use."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy.engine import make_url

from ..config.service_config import ServiceConfig
from ..state.private_files import make_folder, shut_all
from .waiting import Notify

MARK = "served-by"


def described(config: ServiceConfig) -> str:
    """Return the start-up line that says where jobs, pictures and keys are kept."""
    kept = ["keys"]
    elsewhere = []
    for what, where in (("jobs", config.jobs.database), ("their pictures", config.jobs.pictures)):
        if where is None:
            kept.insert(len(kept) - 1, what)
        else:
            shown = make_url(where).render_as_string(hide_password=True) if what == "jobs" else where
            elsewhere.append(f"{what} in {shown}")
    words = kept[0] if len(kept) == 1 else f"{', '.join(kept[:-1])} and {kept[-1]}"
    return "; ".join([f"keeping {words} in {config.state_folder}", *elsewhere])


@contextmanager
def in_use(config: ServiceConfig, url: str, notify: Notify) -> Iterator[None]:
    """Mark the folder as served from `url` while the block runs, and report another service that uses it.

    Sharing is allowed, since services on one folder share the work of its jobs. The worker reports a folder
    that cannot be written to.
    """
    folder = config.state_folder
    try:
        make_folder(folder)
        shut_all(folder)
        file = os.open(folder / MARK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError:
        yield
        return
    try:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            other = os.read(file, 1_000).decode(errors="replace").strip() or "another service"
            notify(
                f"note: {other} uses this folder too, so both share jobs, pictures and keys;"
                " set SCENEWRIGHT_STATE_DIR to give this one its own folder"
            )
        else:
            os.ftruncate(file, 0)
            os.write(file, f"the service at {url} (process {os.getpid()})\n".encode())
        yield
    finally:
        os.close(file)
