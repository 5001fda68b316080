"""`scenewright webhooks`: the secrets that sign them, and what became of those that were sent."""

from __future__ import annotations

import time

import click

from .state_place import StatePlace, place_of, state_options

tenant_option = click.option(
    "--tenant", default="", help="Whose; where the service asks for no keys there is but one, without a name."
)


NO_JOB = "-"


@click.group()
@state_options
@click.pass_context
def webhooks(context: click.Context, state_dir: str, database: str | None) -> None:
    """Show the signing secret; list and repeat deliveries."""
    context.obj = place_of(state_dir, database)


@webhooks.command()
@tenant_option
@click.option("--rotate", is_flag=True, help="Make a new one. The old one signs too for another day.")
@click.pass_obj
def secret(place: StatePlace, tenant: str, rotate: bool) -> None:
    """Print the secret that receivers verify a tenant's webhooks with. It is made at the first call."""
    from ..webhooks import secrets

    click.echo(place.use(lambda engine: (secrets.rotate if rotate else secrets.secret_of)(engine, tenant)))


@webhooks.command("list")
@click.option("--tenant", help="Only this tenant's.")
@click.option("--limit", type=click.IntRange(1, 10_000), default=100, show_default=True)
@click.pass_obj
def list_(place: StatePlace, tenant: str | None, limit: int) -> None:
    """List deliveries, the newest first. Prints id, state, attempts, job, address and the last fault."""
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
    """Send a delivery again, with the id that it had."""
    from ..webhooks import outbox

    if not place.use(lambda engine: outbox.replay(engine, delivery_id)):
        raise click.ClickException(f"there is no delivery {delivery_id}")
    click.echo(f"{delivery_id} is sent again")
