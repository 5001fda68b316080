"""Keep the logs of the last runs of `scenewright serve`, whose Ray removes its own folder at the end."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from ..config.service_config import ServiceConfig
from ..state.private_files import make_folder
from .start_errors import CannotStart

KEPT_RUNS = 5


def with_kept_logs(config: ServiceConfig, notify: Callable[[str], None]) -> ServiceConfig:
    """Let the replicas log to a folder of this run in the state folder, and say where that is.

    A folder that the configuration names is taken as it is. Where none can be made, the logs go with Ray.
    Raises CannotStart for what the environment says wrongly.
    """
    folder = config.logs.folder
    if folder is None:
        try:
            folder = str(new_folder(config.with_environment(os.environ).state_folder))
        except ValueError as error:
            raise CannotStart(str(error)) from error
        except OSError as error:
            notify(f"note: logs are not kept, {error.strerror}: {error.filename}")
            return config
    notify(f"logs in {folder}")
    return config.model_copy(update={"logs": replace(config.logs, folder=folder)})


def new_folder(state_folder: Path) -> Path:
    """Make the folder for this run's logs, and remove those of all but the last runs. Raises OSError."""
    runs = state_folder / "logs"
    make_folder(runs)
    old = sorted(run for run in runs.iterdir() if run.is_dir())
    for run in old[: max(0, len(old) - KEPT_RUNS + 1)]:
        shutil.rmtree(run, ignore_errors=True)
    folder = runs / f"{time.strftime('%Y%m%d-%H%M%S')}-{os.getpid()}"
    folder.mkdir(0o700, exist_ok=True)
    return folder
