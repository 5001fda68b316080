"""`scenewright profile`: what a running service takes for each stage, for `scenewright plan`."""

from __future__ import annotations

from pathlib import Path

import click

from scenewright.commands.output import check_writable, write
from scenewright.commands.parameter_types import FiniteRange
from scenewright.commands.service import connected, service_options


@click.command(short_help="Measure a running service, for `scenewright plan`.")
@click.option(
    "-o", "--output", "file", type=click.Path(path_type=Path), default=Path("profile.json"), show_default=True
)
@click.option("--device", required=True, help="What it runs on, such as `RTX 4090`: stands in every plan.")
@click.option(
    "--pictures",
    type=click.IntRange(1, 64),
    default=8,
    show_default=True,
    help="Measure forwards over up to so many pictures.",
)
@click.option(
    "--start",
    "start_s",
    type=FiniteRange(0, 3_600),
    default=30.0,
    show_default=True,
    help="Seconds that a replica takes to start, as its log or `ray status` says.",
)
@click.option("--character-model", metavar="ID", help="One of `scenewright models`; else the layer's first.")
@click.option("--background-model", metavar="ID")
@service_options
def profile(
    file: Path,
    device: str,
    pictures: int,
    start_s: float,
    character_model: str | None,
    background_model: str | None,
    url: str,
    api_key: str | None,
) -> None:
    """Measure a running service, one replica of each generator and otherwise idle, into a file."""
    from ..planning.measuring import Kind, measure, steps_of

    check_writable(file)
    named: dict[Kind, str | None] = {"character": character_model, "background": background_model}
    models = {kind: model for kind, model in named.items() if model is not None}
    with connected(url, api_key) as service:
        steps = steps_of(service.models(), models)
        measured = measure(
            service, device, pictures, start_s, lambda text: click.echo(text, err=True), models, steps
        )
    write(file, f"{measured.model_dump_json(indent=2)}\n".encode())
    click.echo(file)
