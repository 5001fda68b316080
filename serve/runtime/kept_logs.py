"""Keep the logs of the last runs of `scenewright serve`, as Ray's own folder is removed at the end."""

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
    """Make the replicas log to a folder for this run in the state folder, and report its path.

    A folder that the configuration names is used unchanged. If no folder can be created, the logs are removed
    with Ray's. Raises CannotStart for an invalid value in the environment.
    """
    folder = config.logs.folder
    if folder is None:
        try:
            folder = str(new_folder(config.with_environment(os.environ).state_folder))
        except ValueError as error:
            raise CannotStart(str(error)) from error
        except OSError as error:
            notify(f"note: logs are not kept: {error.filename}: {error.strerror}")
            return config
    notify(f"logs in {folder}")
    return config.model_copy(update={"logs": replace(config.logs, folder=folder)})


def new_folder(state_folder: Path) -> Path:
    """Create the folder for this run's logs, and remove all but the last ones before it. Raises OSError."""
    runs = state_folder / "logs"
    make_folder(runs)
    old = sorted(run for run in runs.iterdir() if run.is_dir())
    for run in old[: max(0, len(old) - KEPT_RUNS + 1)]:
        shutil.rmtree(run, ignore_errors=True)
    folder = runs / f"{time.strftime('%Y%m%d-%H%M%S')}-{os.getpid()}"
    folder.mkdir(0o700, exist_ok=True)
    return folder
