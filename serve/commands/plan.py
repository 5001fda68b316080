"""`scenewright plan`: how many GPUs a load needs, by simulation over a measured profile."""

from __future__ import annotations

import json
from pathlib import Path

import click

from deployments.messages import MAX_FIGURES
from scenewright.commands.finite import FiniteRange


@click.command()
@click.option(
    "--rps",
    "rates",
    type=FiniteRange(0, 10_000, min_open=True),
    required=True,
    multiple=True,
    help="Scenes a second.",
)
@click.option(
    "--p95",
    type=FiniteRange(0, 3_600, min_open=True),
    required=True,
    help="Seconds, for 95% of the scenes.",
)
@click.option(
    "--profile",
    "files",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    required=True,
    multiple=True,
    help="What `scenewright profile` measured.",
)
@click.option(
    "--scenes", type=click.IntRange(500, 1_000_000), default=10_000, show_default=True, help="Simulated."
)
@click.option(
    "--figures",
    type=click.IntRange(1, MAX_FIGURES),
    default=1,
    show_default=True,
    help="Characters in each scene.",
)
@click.option("--seed", type=int, default=0, show_default=True)
@click.option("--json", "as_json", is_flag=True, help="The plan as JSON.")
def plan(
    rates: tuple[float, ...],
    p95: float,
    files: tuple[Path, ...],
    scenes: int,
    figures: int,
    seed: int,
    as_json: bool,
) -> None:
    """Work out how many GPUs a load needs.

    Simulates the service over Poisson arrivals: both branches, the sharing of forwards, routing and merging.
    Prints the fewest replicas that keep the goal, what one more of each would cost, and why one less fails.

    Where a layer has several models, profile each pair of them that paints scenes together, and give --rps
    and --profile once for each pair. A model that is in two pairs is counted in both.
    """
    if len(rates) != len(files):
        raise click.UsageError("give --rps once for each --profile")
    # numpy takes a moment to import, and no other command needs it.
    from ..planning.profile import ProfileError, read_profile
    from ..planning.report import as_data, as_text
    from ..planning.search import Goal, NoPlan, Planner

    try:
        profiles = [read_profile(file) for file in files]
        plans = [
            Planner(profile, Goal(rps, p95, figures=figures), scenes, seed).plan()
            for profile, rps in zip(profiles, rates, strict=True)
        ]
    except (ProfileError, NoPlan) as error:
        raise click.ClickException(str(error)) from error
    pairs = list(zip(plans, profiles, strict=True))
    gpus = sum(planned.chosen.setup.gpus for planned in plans)
    if as_json:
        data = [as_data(*pair) for pair in pairs]
        click.echo(json.dumps(data[0] if len(data) == 1 else {"plans": data, "gpus": gpus}, indent=2))
        return
    click.echo("\n\n".join(as_text(*pair) for pair in pairs))
    if len(pairs) > 1:
        click.echo(f"\nGPUs of all models: {gpus}")
