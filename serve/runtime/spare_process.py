"""Keep a spare Ray process ready for a proxy that has to start again: until it does, nobody listens.

A new process takes seconds to import Ray Serve, longer on a busy machine. A fork of a process that has
imported it does not, so a spare is kept only if workers are not forked. Ray gives an actor an idle process of
the same driver if there is one, and a process that has just run a task stays idle.
"""

from __future__ import annotations

import importlib
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import ray
from ray.exceptions import RayError

EVERY_S = 2.0
LONGEST_S = 120.0
LONGEST_JOIN_S = 5.0
NEEDED = ("ray.serve._private.proxy", "serve.http.proxy_hook")
SETTINGS = {"RAY_num_workers_soft_limit": "64"}
"""The limit below which Ray leaves idle processes alone."""


@contextmanager
def kept_ready(forked: Callable[[], bool]) -> Iterator[None]:
    """Keep a spare process ready while the block runs, except for some seconds after one was taken.

    None is kept while `forked` says that workers are forked.
    """
    ended = threading.Event()
    thread = threading.Thread(target=_keep_ready, args=(ended, forked), name="spare-process", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        # A thread that calls Ray while Ray is shut down can crash the process (ray-project/ray#31145).
        thread.join(LONGEST_JOIN_S)


def _keep_ready(ended: threading.Event, forked: Callable[[], bool]) -> None:
    prepare = ray.remote(num_cpus=0, max_retries=0)(_prepare)
    while not ended.is_set():
        if not forked():
            try:
                ray.get(prepare.remote(), timeout=LONGEST_S)
            except (RayError, RuntimeError):  # Ray is busy, or gone: others report that.
                if not ray.is_initialized():
                    return
        ended.wait(EVERY_S)


def _prepare() -> None:
    """Import what a proxy needs."""
    for name in NEEDED:
        importlib.import_module(name)
