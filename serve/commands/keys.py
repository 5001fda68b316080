"""`scenewright keys`: manage the keys and tenants of a service that requires keys."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TypeVar

import click

from scenewright.commands.parameter_types import FiniteRange

from ..auth.keys import Key
from ..config.access import (
    ENDED_WORK,
    SCOPES,
    SIGNED,
    EndedWork,
    Scope,
    Signed,
)
from .state_place import StatePlace, place_of, state_options

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from ..auth.key_store import KeyStore

CONCURRENT = 16
UNITS_S = {"m": 60, "h": 3_600, "d": 86_400}
SPAN = re.compile(r"([1-9][0-9]{0,5})([mhd])")
ADDRESS = re.compile(r"https?://[\x21-\x7e]{1,1900}")
Result = TypeVar("Result")


class Span(click.ParamType[float]):
    """Duration in seconds."""

    name = "SPAN"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        if isinstance(value, float):
            return value
        if not (span := SPAN.fullmatch(value)):
            self.fail(f"{value!r} is not a duration, such as 30m, 12h or 7d")
        return float(int(span[1]) * UNITS_S[span[2]])


class Moment(click.ParamType[float]):
    """A date, a time, or how long from now."""

    name = "WHEN"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        now = time.time()
        if span := SPAN.fullmatch(value):
            return now + int(span[1]) * UNITS_S[span[2]]
        try:
            moment = datetime.fromisoformat(value)
            at = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
        except (ValueError, OverflowError):
            self.fail(f"{value!r} is not a time, such as 90d, 12h, 30m, 2030-12-31 or 2030-12-31T12:00Z")
        if at <= now:
            self.fail(f"{value} is in the past")
        return at


expires = click.option(
    "--expires", type=Moment(), help="When the key expires: 90d, 12h or 2030-12-31, in UTC."
)
rate = click.option(
    "--rate", type=FiniteRange(0, 1e9, min_open=True), help="The most megapixel-steps per second."
)
budget = click.option(
    "--monthly-budget",
    type=FiniteRange(0, 1e12, min_open=True),
    help="The most megapixel-steps per month (in UTC).",
)
budget_webhook = click.option(
    "--budget-webhook", help="An https address to notify when the month's budget is used up."
)
burst = click.option(
    "--burst", type=FiniteRange(0, 1e9, min_open=True), help="The most megapixel-steps at once."
)


@click.group()
@state_options
@click.pass_context
def keys(context: click.Context, state_dir: str, database: str | None) -> None:
    """Create, list, replace and revoke API keys. A running service applies changes within a second."""
    context.obj = place_of(state_dir, database)


@keys.command()
@click.argument("name", required=False)
@click.option("--tenant", help="The tenant that the key is for. By default a new one called NAME.")
@click.option(
    "--scope",
    "scopes",
    type=click.Choice(SCOPES),
    multiple=True,
    default=("generate", "jobs"),
    show_default=True,
    help="What the key may do. May be given several times.",
)
@expires
@rate
@burst
@click.option(
    "--concurrent",
    type=click.IntRange(1, 1_000_000),
    help=f"The most requests at once. By default {CONCURRENT} for a new tenant.",
)
@budget
@click.pass_obj
def create(
    place: StatePlace,
    /,
    name: str | None,
    tenant: str | None,
    scopes: tuple[Scope, ...],
    expires: float | None,
    **limits: Any,
) -> None:
    """Create a key called NAME and print it.

    The key itself is not stored, so it cannot be shown again.
    Stored data and limits belong to a tenant, which may have several keys.
    """
    if name is None and tenant is None:
        raise click.UsageError("give the key a NAME or a --tenant")
    if limits["burst"] is not None and limits["rate"] is None:
        raise click.UsageError("--burst needs --rate")
    called = name if name is not None else str(tenant)
    made = _heeding(place, lambda store: store.create(called, scopes, tenant, expires, CONCURRENT, **limits))
    _show(*made)


@keys.command("list")
@click.pass_obj
def list_(place: StatePlace) -> None:
    """List the keys by id, without their secrets."""
    now = time.time()
    for key in _heeding(place, lambda store: store.all()):
        end = key.end(now)
        state = end.split()[-1] if end else ", ".join(key.scopes)
        until = "" if key.expires_at is None or end else f"  until {_minute(key.expires_at)}"
        used = "never" if key.last_used_at is None else _minute(key.last_used_at)
        named = key.tenant if key.tenant == key.name else f"{key.tenant}: {key.name}"
        click.echo(f"{key.id}  {_minute(key.created_at)[:10]}  {state}  {named}{until}  used {used}")


@keys.command()
@click.argument("key_id", metavar="ID")
@click.option(
    "--work",
    type=click.Choice(ENDED_WORK),
    help="What happens to its waiting scenes. By default, what the service's jobs.ended_keys says.",
)
@click.pass_obj
def revoke(place: StatePlace, key_id: str, work: EndedWork | None) -> None:
    """Revoke a key permanently. Its waiting work stops, and its streams end."""
    if _heeding(place, lambda store: store.revoke(key_id, work)) is None:
        raise click.ClickException(f"there is no key {key_id}")
    click.echo(f"{key_id} is revoked")


@keys.command()
@click.argument("key_id", metavar="ID")
@click.option(
    "--grace",
    type=Span(),
    default=0.0,
    help="How long the old key stays valid: 30m, 12h or 7d. By default it ends at once.",
)
@expires
@click.pass_obj
def replace(place: StatePlace, key_id: str, grace: float, expires: float | None) -> None:
    """Replace a key with a new one for its tenant, and print it. The old key's work continues."""
    made = _heeding(place, lambda store: store.replace(key_id, grace, expires))
    if made is None:
        raise click.ClickException(f"there is no key {key_id}")
    _show(*made)


@keys.command()
@click.argument("tenant")
@rate
@burst
@click.option("--concurrent", type=click.IntRange(1, 1_000_000), help="The most requests at once.")
@budget
@budget_webhook
@click.pass_obj
def limit(place: StatePlace, /, tenant: str, **limits: Any) -> None:
    """Change the limits of TENANT."""
    if all(value is None for value in limits.values()):
        names = "--rate, --burst, --concurrent, --monthly-budget and --budget-webhook"
        raise click.UsageError(f"give at least one of {names}")
    address = limits["budget_webhook"]
    if address is not None and not ADDRESS.fullmatch(address):
        raise click.BadParameter("must begin with https:// and a host", param_hint="--budget-webhook")
    if not _heeding(place, lambda store: store.limit(tenant, **limits)):
        raise click.ClickException(f"there is no tenant {tenant}")
    click.echo(f"the limits of {tenant} have been changed")


@keys.command()
@click.argument("what", type=click.Choice(SIGNED))
@click.option(
    "--at-once",
    is_flag=True,
    help="Also delete the old secrets, as after a leak: all that they signed stops working within seconds.",
)
@click.pass_obj
def rotate(place: StatePlace, what: Signed, at_once: bool) -> None:
    """Replace the secret that signs result links or browser tokens. Those already signed stay valid."""
    from ..state import shared_secrets

    signs_from = place.use(lambda engine: shared_secrets.rotate(engine, what, at_once))
    click.echo(
        f"{what} are signed by a new secret from {time.strftime('%H:%M:%S', time.gmtime(signs_from))} UTC"
    )


def _show(key: Key, whole: str) -> None:
    click.echo(whole)
    until = "" if key.expires_at is None else f", until {_minute(key.expires_at)} UTC"
    click.echo(f"id {key.id}, of tenant {key.tenant}, for {', '.join(key.scopes)}{until}", err=True)


def _minute(at: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M", time.gmtime(at))


def _heeding(place: StatePlace, work: Callable[[KeyStore], Result]) -> Result:
    def heed(engine: Engine) -> Result:
        from ..auth.key_store import KeyFault, KeyStore

        try:
            return work(KeyStore(engine))
        except KeyFault as error:
            raise click.ClickException(str(error)) from error

    return place.use(heed)
