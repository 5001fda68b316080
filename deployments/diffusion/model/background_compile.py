"""Compile a model's forwards in the background, and use each once it is ready.

A separate process compiles one forward after another (compile_process.py), the most wanted first. Until a
forward is ready, or if it fails, the network runs uncompiled.
"""

from __future__ import annotations

import atexit
import logging
import shutil
import tempfile
import threading
from collections import Counter
from collections.abc import Callable, Hashable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from deployments.diffusion.model.batched_calls import Call, joined
from deployments.diffusion.model.compile_process import NotFaster
from deployments.diffusion.model.compiled_form import form_of, settled
from deployments.diffusion.model.compiler import Compiler
from deployments.diffusion.model.device import within_memory
from deployments.diffusion.model.model_config import ModelConfig
from deployments.errors import OutOfMemory

log = logging.getLogger(__name__)

MOST_FORWARDS = 16
MOST_BYTES = 2 << 30
"""Bounds on all compiled forwards together, since each may hold another copy of the weights."""
Forward = Callable[..., Any]


class BackgroundCompile:
    """Hold the compiled forwards of one network. `forward` is called in one thread."""

    def __init__(self, config: ModelConfig, network: Any, compiler: Compiler | None = None) -> None:
        self._config = config
        self._network = network
        weights = sum(each.nbytes for each in network.parameters())
        self._most = min(MOST_FORWARDS, MOST_BYTES // max(1, weights))
        if not self._most:
            log.warning("nothing is compiled: the network has %d bytes, the limit is %d", weights, MOST_BYTES)
        self._compiler = compiler or Compiler()
        self._ready: dict[Hashable, Forward] = {}
        self._failed: set[Hashable] = set()
        self._slower: set[Hashable] = set()
        self._waiting: dict[Hashable, Path] = {}
        self._wanted: Counter[Hashable] = Counter()
        self._changed = threading.Condition()
        self._closed = False
        self._folder: Path | None = None
        self._thread: threading.Thread | None = None

    @property
    def states(self) -> dict[str, int]:
        """Return how many forwards are in each state."""
        return {
            "compiled": len(self._ready),
            "waiting": len(self._waiting),
            "failed": len(self._failed),
            "slower": len(self._slower),
        }

    def start(self) -> None:
        """Start to compile, with the forwards that were wanted so far. Idempotent."""
        if self._thread is None and not self._closed:
            self._thread = threading.Thread(target=self._compile_all, name="compile", daemon=True)
            self._thread.start()
            atexit.register(self.close)

    def close(self) -> None:
        """Stop compiling, end a compilation under way, and free the compiled forwards. Idempotent."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        self._compiler.stop()
        atexit.unregister(self.close)
        if self._thread is not None:
            self._thread.join()
        self._ready = {}
        self._waiting.clear()
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)

    def forward(self, calls: Sequence[Call]) -> tuple[Forward, int]:
        """Return the function that runs these calls as one forward, and the number of its rows.

        A compiled forward has a power of two of rows, so that there are few of them.
        """
        rows = sum(call.rows for call in calls)
        filled = 1 << (rows - 1).bit_length()
        shape = (calls[0].key, filled, form_of(calls, filled))
        compiled = self._ready.get(shape)
        if compiled is not None:
            return compiled, filled
        self._want(shape, calls, filled)
        return self._network, rows

    def _want(self, shape: Hashable, calls: Sequence[Call], rows: int) -> None:
        is_known = shape in self._wanted
        if self._closed or (not is_known and len(self._wanted) == self._most):
            return
        self._wanted[shape] += 1
        if is_known:
            return
        try:
            folder = self._described(calls, rows)
        except Exception as error:  # A full disk, for example, is no reason to fail the picture.
            self._fail(shape, error)
            return
        with self._changed:
            self._waiting[shape] = folder
            self._changed.notify_all()

    def _described(self, calls: Sequence[Call], rows: int) -> Path:
        """Write a folder that describes what to compile, and return it."""
        if self._folder is None:
            self._folder = Path(tempfile.mkdtemp(prefix="scenewright-compile-"))
        folder = self._folder / str(len(self._wanted))
        folder.mkdir()
        filled, asked = (settled(joined(calls, each)) for each in (rows, sum(call.rows for call in calls)))
        self._compiler.describe(folder, self._config, filled, asked)
        return folder

    def _or_uncompiled(self, shape: Hashable, compiled: Forward) -> Forward:
        """Return a compiled forward that the network replaces from its first failure on."""

        def run(*positional: Any, **keywords: Any) -> Any:
            try:
                return within_memory(partial(compiled, *settled(positional), **settled(keywords)))
            except OutOfMemory:
                raise
            except Exception as error:
                self._ready.pop(shape, None)
                self._fail(shape, error)
            return self._network(*positional, **keywords)

        return run

    def _compile_all(self) -> None:
        while (shape := self._next()) is not None:
            folder = self._waiting[shape]
            try:
                compiled = self._compiler.compile(folder)
            except NotFaster:
                with self._changed:
                    self._slower.add(shape)
                    self._waiting.pop(shape, None)
            except Exception as error:
                self._fail(shape, error)
            else:
                with self._changed:
                    if not self._closed:
                        self._ready[shape] = self._or_uncompiled(shape, compiled)
                        del self._waiting[shape]
                        log.info("compiled a forward pass in the background: %s", dict(self.states))
            shutil.rmtree(folder, ignore_errors=True)

    def _next(self) -> Hashable | None:
        """Wait for a shape to compile, and return the one wanted most; None once it is closed."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._closed)
            if self._closed:
                return None
            return max(self._waiting, key=lambda shape: self._wanted[shape])

    def _fail(self, shape: Hashable, error: Exception) -> None:
        with self._changed:
            if self._closed:
                return
            if not self._failed:
                log.warning(
                    "a forward pass could not be compiled (further failures are not logged): %s", error
                )
            self._failed.add(shape)
            self._waiting.pop(shape, None)
