"""How commands reach a running service, and how failing becomes exit codes: 1 it refused, 3 nobody there."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import click

from ..client import Scenewright, ScenewrightError, ServerUnreachable

DEFAULT_URL = "http://127.0.0.1:8000"


class NoServer(click.ClickException):
    exit_code = 3


def service_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """--url and --api-key."""
    key = click.option(
        "--api-key", envvar="SCENEWRIGHT_API_KEY", help="Or the environment's SCENEWRIGHT_API_KEY."
    )
    url = click.option("--url", default=DEFAULT_URL, show_default=True, help="Where the service is.")
    return url(key(command))


@contextmanager
def connected(url: str, api_key: str | None) -> Iterator[Scenewright]:
    """A client whose errors end the command with a sentence."""
    if not url.startswith(("http://", "https://")):
        raise click.BadParameter("must begin with http:// or https://", param_hint="--url")
    try:
        with Scenewright(url, api_key) as service:
            yield service
    except ServerUnreachable as error:
        raise NoServer(f"{error}; start one with `scenewright serve`") from error
    except ScenewrightError as error:
        where = f" [{error.param}]" if error.param else ""
        trace = f" (request {error.request_id})" if error.request_id else ""
        raise click.ClickException(f"{error.message}{where}{trace}") from error
