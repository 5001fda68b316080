"""Declare the options that the commands share, and build a trial from them."""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from functools import reduce
from pathlib import Path
from typing import Any

import click

from ..analysis import slo as slos
from ..analysis.slo import Slo
from ..analysis.summary import Window
from ..traffic import mix as mixes
from ..traffic.loops import Target
from ..traffic.mix import Mix
from ..traffic.target_address import (
    AddressError,
    base_address,
    bearer,
    check_listening,
)
from ..trial.trial import Trial

SECRET = ("api_key",)


class FiniteRange(click.FloatRange):
    """Accept only finite numbers: click's own range takes `nan`, and `inf` if it has no upper end."""

    def convert(self, value: Any, param: click.Parameter | None, context: click.Context | None) -> float:
        """Return the number. Fails with a message of one sentence."""
        number: float = super().convert(value, param, context)
        if not math.isfinite(number):
            self.fail(f"{value} is not a finite number", param, context)
        return number


POSITIVE = FiniteRange(min=0, min_open=True)


class SloType(click.ParamType[Slo]):
    name = "SLO"

    def convert(self, value: Any, param: click.Parameter | None, context: click.Context | None) -> Slo:
        try:
            return slos.parse(value)
        except slos.SloError as error:
            self.fail(str(error), param, context)


class MixType(click.ParamType[Mix]):
    name = "FILE"

    def convert(self, value: Any, param: click.Parameter | None, context: click.Context | None) -> Mix:
        if isinstance(value, Mix):
            return value
        try:
            return mixes.load(Path(value))
        except mixes.MixError as error:
            self.fail(str(error), param, context)


class UrlType(click.ParamType[str]):
    name = "URL"

    def convert(self, value: Any, param: click.Parameter | None, context: click.Context | None) -> str:
        try:
            return base_address(value)
        except AddressError as error:
            self.fail(str(error), param, context)


class KeyType(click.ParamType[str | None]):
    """An API key. A key that cannot be sent is refused without being shown."""

    name = "TEXT"

    def convert(self, value: Any, param: click.Parameter | None, context: click.Context | None) -> str | None:
        try:
            return bearer(value)
        except AddressError as error:
            self.fail(str(error), param, context)


class NewFile(click.ParamType[Path]):
    """A file in an existing folder, checked at the start: the end of a run is too late for an error."""

    name = "FILE"

    def convert(self, value: Any, param: click.Parameter | None, context: click.Context | None) -> Path:
        file = Path(value)
        try:
            possible = file.parent.is_dir() and not file.is_dir()
            possible = possible and os.access(file if file.exists() else file.parent, os.W_OK)
        except OSError:  # A name that is too long.
            possible = False
        if not possible:
            self.fail(
                f"{click.format_filename(file)} cannot be written: check that its folder exists",
                param,
                context,
            )
        return file


TARGET = (
    click.option("--url", required=True, type=UrlType(), help="The service's address."),
    click.option("--mix", type=MixType(), help="The request mix, as JSON; by default a mix of scenes."),
    click.option(
        "--seed",
        type=click.IntRange(min=0),
        default=1,
        show_default=True,
        help="Same seed, same requests at the same times.",
    ),
    click.option("--slo", type=SloType(), help="The objective, as in 'p95<8s,ok>=99%'."),
    click.option(
        "--timeout",
        "timeout_s",
        type=POSITIVE,
        default=150.0,
        show_default=True,
        help="Seconds to wait for a response.",
    ),
    click.option(
        "--api-key",
        type=KeyType(),
        envvar="SCENEWRIGHT_API_KEY",
        help="API key; or set SCENEWRIGHT_API_KEY.",
    ),
    click.option(
        "--ray-address",
        help="Address (host:port) of the service's Ray cluster, to report replicas over time.",
    ),
    click.option("--quiet", is_flag=True, help="Print no progress."),
)
OUTPUT = (
    click.option("--out", type=NewFile(), help="Write the summary to this file, as JSON."),
    click.option("--html", type=NewFile(), help="Write the report to this HTML file."),
    click.option(
        "--records", type=NewFile(), help="Write each request to this file as it ends, as a line of JSON."
    ),
)
TIME = (
    click.option("--duration", type=POSITIVE, default=60.0, show_default=True, help="Seconds to measure."),
    click.option(
        "--warmup",
        type=FiniteRange(min=0),
        default=5.0,
        show_default=True,
        help="Seconds of load before the measurement.",
    ),
)


def options(*groups: tuple[Callable[[Any], Any], ...]) -> Callable[[Any], Any]:
    """Add the groups' options to a command, in their order."""
    every = [option for group in groups for option in group]
    return lambda command: reduce(lambda inner, option: option(inner), reversed(every), command)


def trial(window: Window, arrivals: list[float], given: dict[str, Any], **more: Any) -> Trial:
    """Build a trial from a command's parameters. Raises click.UsageError if nothing listens."""
    check(given["url"])
    return Trial(
        target=Target(given["url"], given["timeout_s"], given["api_key"]),
        mix=given["mix"] or mixes.default_mix(),
        window=window,
        arrivals=arrivals,
        slo=given["slo"],
        ray_address=given["ray_address"],
        quiet=given["quiet"],
        config=described(given),
        **{"seed": given["seed"], **more},
    )


def described(given: dict[str, Any]) -> dict[str, Any]:
    """Return the given options for the summary, without secrets and the mix, which it has in full."""
    return {
        name: value if isinstance(value, (int, float, list)) else str(value)
        for name, value in given.items()
        if value is not None and name not in (*SECRET, "mix")
    }


def check(url: str) -> None:
    """Connect once. Raises click.UsageError if no connection can be made."""
    try:
        check_listening(url)
    except AddressError as error:
        raise click.UsageError(str(error)) from error
