"""Run the process that compiles one forward, and load what it made."""

from __future__ import annotations

import os
import signal
import subprocess  # nosec B404
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from deployments.diffusion.model.compile_process import (
    CALL,
    CONFIG,
    CONFIGS,
    FAULT,
    NOT_FASTER,
    PACKAGE,
    NotFaster,
)
from deployments.diffusion.model.model_config import ModelConfig

CACHE = "cache"
PROGRAM = "deployments.diffusion.model.compile_process"
ONE_THREAD = {"OMP_NUM_THREADS": "1", "TORCHINDUCTOR_COMPILE_THREADS": "1"}
"""Environment to compile in. The compiled forward has the threads of its replica."""


Arguments = tuple[tuple[Any, ...], dict[str, Any]]
"""Positional arguments, and keywords."""


class Compiler:
    """Compile one forward after another. `stop` may be called in any thread."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._lock = threading.Lock()
        self._stopped = False

    def describe(self, folder: Path, config: ModelConfig, filled: Arguments, asked: Arguments) -> None:
        """Describe in `folder` what to compile: the model's denoiser, with this process's thread count.

        `filled` are the arguments of the compiled forward, and `asked` those of the one that it replaces.
        """
        settings = replace(config, compile=False, threads=torch.get_num_threads())
        (folder / CONFIG).write_bytes(CONFIGS.dump_json(settings))
        torch.save({"filled": filled, "asked": asked}, folder / CALL)

    def compile(self, folder: Path) -> Callable[..., Any]:
        """Compile what the folder describes.

        Raises NotFaster if that gains nothing, and RuntimeError with the reason if it fails.
        """
        with self._lock:
            if self._stopped:
                raise RuntimeError("the compiler was stopped")
            # In a new process group, which its own compiler processes join.
            self._process = process = subprocess.Popen(  # noqa: S603  # nosec B603
                [sys.executable, "-m", PROGRAM, str(folder), str(os.getpid())],
                env={
                    **os.environ,
                    **ONE_THREAD,
                    # Otherwise it leaves files behind, and reads those of other processes.
                    "TMPDIR": str(folder),
                    "TORCHINDUCTOR_CACHE_DIR": str(folder / CACHE),
                    "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
                },
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )
        code = process.wait()
        if code == NOT_FASTER:
            raise NotFaster
        if code:
            fault = folder / FAULT
            raise RuntimeError(fault.read_text() if fault.exists() else f"its process exited with {code}")
        compiled: Callable[..., Any] = torch._inductor.aoti_load_package(str(folder / PACKAGE))
        return compiled

    def stop(self) -> None:
        """Kill the process and all that it started. Nothing is compiled afterwards."""
        with self._lock:
            self._stopped = True
            if self._process is not None:
                with suppress(ProcessLookupError):
                    os.killpg(self._process.pid, signal.SIGKILL)
