"""`scenewright webhooks`: show the secrets that sign webhooks, and list and repeat deliveries."""

from __future__ import annotations

import time

import click

from .state_place import StatePlace, place_of, state_options

tenant_option = click.option(
    "--tenant", default="", help="The tenant. A service that requires no keys has only one, without a name."
)


NO_JOB = "-"


@click.group()
@state_options
@click.pass_context
def webhooks(context: click.Context, state_dir: str, database: str | None) -> None:
    """Show the signing secret, or list and repeat deliveries."""
    context.obj = place_of(state_dir, database)


@webhooks.command()
@tenant_option
@click.option("--rotate", is_flag=True, help="Create a new secret. The old one also signs for another day.")
@click.pass_obj
def secret(place: StatePlace, tenant: str, rotate: bool) -> None:
    """Print the secret with which receivers verify a tenant's webhooks. The first call creates it."""
    from ..webhooks import secrets

    click.echo(place.use(lambda engine: (secrets.rotate if rotate else secrets.secret_of)(engine, tenant)))


@webhooks.command("list")
@click.option("--tenant", help="List only this tenant's deliveries.")
@click.option(
    "--limit",
    type=click.IntRange(1, 10_000),
    default=100,
    show_default=True,
    help="The most deliveries to list.",
)
@click.pass_obj
def list_(place: StatePlace, tenant: str | None, limit: int) -> None:
    """List deliveries, the newest first. Prints id, state, attempts, job, address and the last error."""
    from ..webhooks import outbox

    for each in place.use(lambda engine: outbox.listed(engine, tenant, limit)):
        made = time.strftime("%Y-%m-%d %H:%M", time.gmtime(each.created_at))
        fault = f"  {each.last_error}" if each.last_error else ""
        click.echo(
            f"{each.id}  {made}  {each.status}  {each.attempts}  {each.job_id or NO_JOB}  {each.url}{fault}"
        )


@webhooks.command()
@click.argument("delivery_id", metavar="ID")
@click.pass_obj
def replay(place: StatePlace, delivery_id: str) -> None:
    """Send a delivery again, with the same id."""
    from ..webhooks import outbox

    if not place.use(lambda engine: outbox.replay(engine, delivery_id)):
        raise click.ClickException(f"there is no delivery {delivery_id}")
    click.echo(f"{delivery_id} will be sent again")
