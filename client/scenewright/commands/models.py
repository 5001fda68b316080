"""`scenewright models`: the service's models, and the uses that their licences allow."""

from __future__ import annotations

import sys
from typing import Any

import click

from .service import connected, service_options


@click.command()
@service_options
def models(url: str, api_key: str | None) -> None:
    """List the models of a running service, with their licences."""
    with connected(url, api_key) as service:
        cards = service.models()
    from rich.console import Console
    from rich.table import Table

    table = Table("model", "family", "paints", "licence", "commercial use", "resolution", "memory (GB)")
    table.columns[0].no_wrap = True  # an id that ends in an ellipsis could not be copied
    for card in cards:
        size, memory = card.get("resolution"), card.get("memory_gb")
        table.add_row(
            card["id"],
            card.get("family", ""),
            ", ".join(_layer(card, kind) for kind in card.get("serving", ())),
            card.get("licence", ""),
            card.get("commercial_use", ""),
            f"{size['width']}x{size['height']}" if size else "",
            _range(memory) if memory else "",
        )
    # A pipe has no width, and rich would fold the table into 80 columns.
    Console(width=None if sys.stdout.isatty() else 200).print(table)


def _layer(card: dict[str, Any], kind: str) -> str:
    return f"{kind} (default)" if kind in card.get("default_for", ()) else str(kind)


def _range(memory: dict[str, float]) -> str:
    return "-".join(dict.fromkeys(f"{memory[end]:g}" for end in ("least", "most")))
