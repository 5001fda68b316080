"""Compile one forward of a model's denoiser, in a separate process at the lowest priority.

Tracing a network holds Python's global lock, and changes torch for the whole process, so each operation of a
picture under way would wait for it. The result is a package that torch loads without tracing anything.
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
"""Files in the process's folder. It reads the first two, and writes the third."""
FAULT = "fault.txt"
TOLERANCE = {"torch.float32": 1e-3, "torch.float16": 2e-2, "torch.bfloat16": 5e-2}
"""The greatest difference from the uncompiled forward, as a share of that one's greatest value."""
TIMES = 3
"""Timed runs of each forward. The shortest counts, since other load can only add to it."""
NOT_FASTER = 3
"""Exit status of the process if the compiled forward is no faster."""
CONFIGS = TypeAdapter(ModelConfig)
PARENT_DEATH_SIGNAL = 1


class NotFaster(Exception):
    """The compiled forward takes no less time than the one that it would replace."""


def main(folder: Path, parent: int) -> None:
    """Compile the call in `folder`.

    Exits with 1, and the reason in the file FAULT, if that fails, and with NOT_FASTER if it gains nothing.
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
    """Compile the forward of a folder's call, and compare it with the uncompiled one.

    Raises ArithmeticError if they differ, NotFaster if it gains nothing, and whatever torch raises.
    """
    # Imported only now, so that the seconds it takes have the lowest priority too.
    import torch

    from deployments.diffusion.model.device import DeviceClock
    from deployments.diffusion.model.loader import FROZEN_BYTES, load
    from deployments.diffusion.model.networks import denoiser_of

    torch.set_grad_enabled(False)
    config = CONFIGS.validate_json((folder / CONFIG).read_bytes())
    network = denoiser_of(load(replace(config, compile=False)))
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # The rest of the machine is for requests.
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
        raise ArithmeticError(f"the compiled result differs by {float(apart):.2g}")
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
    """End when the parent process ends, however it ends, and leave no compiler process and no file behind."""

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
