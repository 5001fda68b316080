"""Connect commands to a running service, and turn failures into exit codes.

1: the service refused. 2: nothing could be sent. 3: nothing responded.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.metadata import entry_points
from typing import Any

import click

from ..errors import NotSent, ScenewrightError, ServerUnreachable
from ..synchronous import Scenewright
from .group import GROUP

DEFAULT_URL = "http://127.0.0.1:8000"


class BadRequest(click.ClickException):
    exit_code = 2


class NoServer(click.ClickException):
    exit_code = 3


def service_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add --url and --api-key to a command."""
    key = click.option("--api-key", envvar="SCENEWRIGHT_API_KEY", help="API key; or set SCENEWRIGHT_API_KEY.")
    url = click.option(
        "--url",
        envvar="SCENEWRIGHT_URL",
        default=DEFAULT_URL,
        show_default=True,
        help="Address of the service; or set SCENEWRIGHT_URL.",
    )
    return url(key(command))


@contextmanager
def connected(url: str, api_key: str | None) -> Iterator[Scenewright]:
    """Yield a client whose errors end the command with a message of one sentence."""
    try:
        with Scenewright(url, api_key) as service:
            yield service
    except ServerUnreachable as error:
        can_start = error.refused and any(each.name == "serve" for each in entry_points(group=GROUP))
        raise NoServer(f"{error}; start one with `scenewright serve`" if can_start else str(error)) from error
    except NotSent as error:
        raise BadRequest(error.message) from error
    except ScenewrightError as error:
        where = f" [{error.param}]" if error.param else ""
        trace = f" (request {error.request_id})" if error.request_id else ""
        raise click.ClickException(f"{error.message}{where}{trace}") from error
