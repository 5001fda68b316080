"""`scenewright keys`: who may use the service, where it asks for keys."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import click

from ..keys import SCOPES, KeyFile, Scope

DEFAULT_STATE_DIR = "~/.local/state/scenewright"


@click.group()
@click.option(
    "--state-dir",
    envvar="SCENEWRIGHT_STATE_DIR",
    default=DEFAULT_STATE_DIR,
    show_default=True,
    help="Of the service; or the environment's SCENEWRIGHT_STATE_DIR.",
)
@click.pass_context
def keys(context: click.Context, state_dir: str) -> None:
    """Create, list and revoke API keys. A running service heeds it within a second."""
    try:
        context.obj = KeyFile(Path(state_dir).expanduser())
    except RuntimeError as error:
        raise click.BadParameter(
            f"{state_dir}: no such home folder is known", param_hint="--state-dir"
        ) from error


@keys.command()
@click.argument("name")
@click.option(
    "--scope",
    "scopes",
    type=click.Choice(SCOPES),
    multiple=True,
    default=("generate", "jobs"),
    show_default=True,
    help="What the key may do; more than one may be given.",
)
@click.option("--rate", type=click.FloatRange(0, min_open=True), help="Megapixel-steps a second.")
@click.option("--burst", type=click.FloatRange(0, min_open=True), help="Megapixel-steps at once.")
@click.option("--concurrent", type=click.IntRange(1), default=16, show_default=True, help="Requests at once.")
@click.pass_obj
def create(file: KeyFile, /, name: str, scopes: tuple[Scope, ...], **limits: Any) -> None:
    """Create a key for NAME and print it: it is not kept, and cannot be shown again."""
    if limits["burst"] is not None and limits["rate"] is None:
        raise click.UsageError("--burst needs --rate")
    key, whole = _heeding(lambda: file.create(name, scopes, **limits))
    click.echo(whole)
    click.echo(f"id {key.id}, for {', '.join(key.scopes)}", err=True)


@keys.command("list")
@click.pass_obj
def list_(file: KeyFile) -> None:
    """List the keys by id, without their secrets."""
    for key in _heeding(file.all):
        state = "revoked" if key.revoked_at else ", ".join(key.scopes)
        created = time.strftime("%Y-%m-%d", time.localtime(key.created_at))
        click.echo(f"{key.id}  {created}  {state}  {key.name}")


@keys.command()
@click.argument("key_id", metavar="ID")
@click.pass_obj
def revoke(file: KeyFile, key_id: str) -> None:
    """Revoke a key, for good."""
    if _heeding(lambda: file.revoke(key_id)) is None:
        raise click.ClickException(f"there is no key {key_id}")
    click.echo(f"{key_id} is revoked")


def _heeding(work: Any) -> Any:
    try:
        return work()
    except OSError as error:
        name = os.fspath(error.filename or "the file of keys")
        raise click.ClickException(f"{name}: {error.strerror}") from error
    except ValueError as error:
        raise click.ClickException("the file of keys is damaged") from error
