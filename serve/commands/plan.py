"""`scenewright plan`: how many GPUs a load needs, by simulation over a measured profile."""

from __future__ import annotations

import json
from pathlib import Path

import click

from deployments.messages import MAX_FIGURES
from scenewright.commands.finite import FiniteRange


@click.command()
@click.option("--rps", type=FiniteRange(0, 10_000, min_open=True), required=True, help="Scenes a second.")
@click.option(
    "--p95",
    type=FiniteRange(0, 3_600, min_open=True),
    required=True,
    help="Seconds, for 95% of the scenes.",
)
@click.option(
    "--profile",
    "file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    required=True,
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
def plan(rps: float, p95: float, file: Path, scenes: int, figures: int, seed: int, as_json: bool) -> None:
    """Work out how many GPUs a load needs.

    Simulates the service over Poisson arrivals: both branches, the sharing of forwards, routing and merging.
    Prints the fewest replicas that keep the goal, what one more of each would cost, and why one less fails.
    """
    # numpy takes a moment to import, and no other command needs it.
    from ..planning.profile import ProfileError, read_profile
    from ..planning.report import as_data, as_text
    from ..planning.search import Goal, NoPlan, Planner

    try:
        profile = read_profile(file)
        planned = Planner(profile, Goal(rps, p95, figures=figures), scenes, seed).plan()
    except (ProfileError, NoPlan) as error:
        raise click.ClickException(str(error)) from error
    click.echo(json.dumps(as_data(planned, profile), indent=2) if as_json else as_text(planned, profile))
