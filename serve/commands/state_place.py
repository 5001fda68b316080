"""Find a service's state: the options of commands that use its database, and the errors they report."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click
from pydantic import TypeAdapter, ValidationError

if TYPE_CHECKING:
    from sqlalchemy import Engine

DEFAULT_STATE_DIR = "~/.local/state/scenewright"
Result = TypeVar("Result")


@dataclass(frozen=True)
class StatePlace:
    """A service's state. It is opened late, so that a wrong argument does not create a database."""

    state_folder: Path
    database: str | None

    def use(self, work: Callable[[Engine], Result]) -> Result:
        """Call `work` with the database. Raises click's errors, each with a message of one sentence."""
        from sqlalchemy.exc import SQLAlchemyError

        from ..state.database import NewerDatabase

        try:
            return work(self._open())
        except NewerDatabase as error:
            raise click.ClickException(str(error)) from error
        except OSError as error:
            name = os.fspath(error.filename or self.state_folder)
            raise click.ClickException(f"{name}: {error.strerror}") from error
        except SQLAlchemyError as error:
            # Not the driver's own message, which may contain a password.
            raise click.ClickException(f"the database cannot be used ({type(error).__name__})") from error
        except ImportError as error:
            raise click.ClickException(f"the database needs {error.name}, which is not installed") from error
        except ValueError as error:
            raise click.ClickException("the key file is damaged") from error

    def _open(self) -> Engine:
        from ..config.job_config import JobConfig
        from ..state.open_state import open_state

        try:
            jobs = TypeAdapter(JobConfig).validate_python({"database": self.database})
        except ValidationError:
            raise click.BadParameter("is not a valid SQLAlchemy URL", param_hint="--database") from None
        return open_state(self.state_folder, jobs)


def state_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add `--state-dir` and `--database` to a group of commands."""
    database = click.option(
        "--database",
        envvar="SCENEWRIGHT_DATABASE",
        help="The URL of the service's database, if its jobs.database names one."
        " SCENEWRIGHT_DATABASE sets it too.",
    )
    state_dir = click.option(
        "--state-dir",
        envvar="SCENEWRIGHT_STATE_DIR",
        default=DEFAULT_STATE_DIR,
        show_default=True,
        help="The service's state folder. SCENEWRIGHT_STATE_DIR sets it too.",
    )
    return state_dir(database(command))


def place_of(state_dir: str, database: str | None) -> StatePlace:
    """Return the state that the options name. Raises click's errors."""
    try:
        return StatePlace(Path(state_dir).expanduser(), database or None)
    except RuntimeError as error:
        raise click.BadParameter(
            f"{state_dir}: this home folder is not known", param_hint="--state-dir"
        ) from error
