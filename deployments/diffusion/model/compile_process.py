"""Compile one forward of a model's denoiser, as a process of its own at the lowest priority.

To trace a network holds Python's lock, and changes torch for the whole process: each operation of a picture
under way would wait for it. What comes out is a package that torch loads without tracing anything.
"""

from __future__ import annotations

import ctypes
import math
import os
import shutil
import signal
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from deployments.diffusion.model.model_config import ModelConfig

LOWEST_PRIORITY = 19
CONFIG, CALL, PACKAGE = "config.json", "call.pt", "forward.pt2"
"""The files of its folder: what it reads, and what it writes."""
FAULT = "fault.txt"
TOLERANCE = {"torch.float32": 1e-3, "torch.float16": 2e-2, "torch.bfloat16": 5e-2}
"""The greatest difference to the forward that was not compiled, as a share of that one's greatest value."""
TIMES = 3
"""Runs of both forwards that are timed. The shortest counts: what else runs only ever adds to it."""
NOT_FASTER = 3
"""Its exit status for a forward that gains nothing."""
CONFIGS = TypeAdapter(ModelConfig)
PARENT_DEATH_SIGNAL = 1


class NotFaster(Exception):
    """The compiled forward takes no less time than the one that it would replace."""


def main(folder: Path, parent: int) -> None:
    """Compile the call in `folder`.

    Exits with 1, and the reason in its file, where that cannot be done; NOT_FASTER where it gains nothing.
    """
    _end_with(parent, folder)
    os.nice(LOWEST_PRIORITY)
    try:
        compile_call(folder)
    except NotFaster:
        sys.exit(NOT_FASTER)
    except Exception as error:
        (folder / FAULT).write_text(f"{type(error).__name__}: {error}"[:2_000])
        raise


def compile_call(folder: Path) -> None:
    """Compile the forward of a folder's call, and hold it against the one that is not compiled.

    Raises ArithmeticError where they differ, NotFaster where it gains nothing, and whatever torch raises.
    """
    # Only now: it takes seconds, which have the lowest priority too.
    import torch

    from deployments.diffusion.model.device import DeviceClock
    from deployments.diffusion.model.loader import FROZEN_BYTES, load
    from deployments.diffusion.model.networks import denoiser_of

    torch.set_grad_enabled(False)
    config = CONFIGS.validate_json((folder / CONFIG).read_bytes())
    network = denoiser_of(load(replace(config, compile=False)))
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # The rest of the machine is for those who wait.
    call = torch.load(folder / CALL, map_location=network.device, weights_only=True)
    positional, keywords = call["filled"]
    exported = torch.export.export(network, positional, keywords, strict=False)
    weights = sum(each.nbytes for each in network.parameters())
    options: dict[str, Any] = {
        "freezing": network.device.type == "cpu" and weights <= FROZEN_BYTES,
        "cpp.threads": threads,
    }
    package = torch._inductor.aoti_compile_and_package(
        exported, package_path=str(folder / PACKAGE), inductor_configs=options
    )
    compiled = torch._inductor.aoti_load_package(package)
    torch.set_num_threads(threads)
    expected = first_tensor(network(*positional, **keywords))
    apart = (first_tensor(compiled(*positional, **keywords)) - expected).abs().max()
    if not apart <= TOLERANCE[str(expected.dtype)] * expected.abs().max():
        raise ArithmeticError(f"compiled it differs by {float(apart):.2g}")
    clock = DeviceClock(network.device)
    taken_s: dict[Any, float] = {}
    for _ in range(TIMES):
        for run, (given, named) in ((network, call["asked"]), (compiled, call["filled"])):
            begun_s = clock.now_s()
            run(*given, **named)
            taken_s[run] = min(clock.now_s() - begun_s, taken_s.get(run, math.inf))
    if taken_s[compiled] >= taken_s[network]:
        raise NotFaster


def first_tensor(output: Any) -> Any:
    """Return the first tensor of a network's output."""
    while isinstance(output, dict | list | tuple):
        output = next(iter(output.values() if isinstance(output, dict) else output))
    return output


def _end_with(parent: int, folder: Path) -> None:
    """End where the process that wants it ends, however it does; leave no compiler and no file of its own."""

    def end(*_: object) -> None:
        shutil.rmtree(folder.parent, ignore_errors=True)
        os.killpg(os.getpgid(0), signal.SIGKILL)

    signal.signal(signal.SIGTERM, end)
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PARENT_DEATH_SIGNAL, signal.SIGTERM)
    if os.getppid() != parent:
        sys.exit(1)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
