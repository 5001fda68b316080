"""`scenewright token`: a short-lived token for a page in a browser, minted with a key."""

from __future__ import annotations

import click

from .parameter_types import FiniteRange
from .service import connected, service_options

LONGEST_S, MOST = 3_600, 1_000_000
SCOPES = ("generate", "jobs")


@click.command(short_help="Mint a short-lived token for a page in a browser.")
@click.option("--ttl", type=FiniteRange(1, LONGEST_S), default=600, show_default=True, help="Seconds.")
@click.option(
    "--scope",
    "scopes",
    type=click.Choice(SCOPES),
    multiple=True,
    default=("generate",),
    show_default=True,
    help="What it may do, among what its key may do.",
)
@click.option("--requests", type=click.IntRange(1, MOST), help="Most requests that it may send.")
@click.option(
    "--megapixel-steps",
    type=FiniteRange(0, MOST, min_open=True),
    help="Most megapixel-steps that it may spend.",
)
@service_options
def token(
    ttl: float,
    scopes: tuple[str, ...],
    requests: int | None,
    megapixel_steps: float | None,
    url: str,
    api_key: str | None,
) -> None:
    """Mint a token with the key, and print it on a line by itself.

    A page sends it as `Authorization: Bearer`. It expires by itself, and when its key is revoked.
    """
    with connected(url, api_key) as service:
        click.echo(service.mint_token(ttl, scopes, requests, megapixel_steps)["token"])
