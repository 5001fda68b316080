"""`scenewright profile`: measure the stages of a running service, for `scenewright plan`."""

from __future__ import annotations

from pathlib import Path

import click

from scenewright.commands.output import check_writable, write
from scenewright.commands.parameter_types import FiniteRange
from scenewright.commands.service import connected, service_options


@click.command(short_help="Measure a running service, for `scenewright plan`.")
@click.option(
    "-o",
    "--output",
    "file",
    type=click.Path(path_type=Path),
    default=Path("profile.json"),
    show_default=True,
    help="File for the profile.",
)
@click.option(
    "--device",
    required=True,
    help="The device that the service runs on, such as `RTX 4090`. Every plan names it.",
)
@click.option(
    "--pictures",
    type=click.IntRange(1, 64),
    default=8,
    show_default=True,
    help="Measure forwards over at most this many pictures.",
)
@click.option(
    "--start",
    "start_s",
    type=FiniteRange(0, 3_600),
    default=30.0,
    show_default=True,
    help="Seconds that a replica takes to start, according to its log or `ray status`.",
)
@click.option(
    "--character-model",
    metavar="ID",
    help="A model that `scenewright models` lists. By default the layer's first.",
)
@click.option("--background-model", metavar="ID", help="The same for the background.")
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
    """Write the profile of a running service that has one replica of each generator and is otherwise idle."""
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
