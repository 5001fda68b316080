"""`scenewright plan`: how many GPUs a load needs, by simulation over a measured profile."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from deployments.messages import MAX_FIGURES
from scenewright.commands.parameter_types import FiniteRange

FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


class ProfileSource(click.ParamType[Path | str]):
    """A file that `scenewright profile` wrote, as a Path, or the name of a published profile, as a str."""

    name = "FILE|NAME"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Path | str:
        """Return the file or the name. Fail with the list of published names if it is neither."""
        # pydantic takes a moment to import, and no other command needs these.
        from ..planning.published import PUBLISHED

        if isinstance(value, str) and value in PUBLISHED:
            return value
        try:
            file: Path = FILE.convert(value, param, ctx)
        except click.BadParameter as error:
            self.fail(f"{error.message} Published profiles: {', '.join(PUBLISHED)}.", param, ctx)
        return file


def _list_published(ctx: click.Context, param: click.Parameter, wanted: bool) -> None:
    if not wanted or ctx.resilient_parsing:
        return
    from ..planning.published import PUBLISHED

    for name, profile in PUBLISHED.items():
        click.echo(f"{name:16} {profile.character.model} on {profile.device}: {profile.source}")
    ctx.exit()


@click.command()
@click.option(
    "--rps",
    "rates",
    type=FiniteRange(0, 10_000, min_open=True),
    required=True,
    multiple=True,
    help="The scenes per second to plan for.",
)
@click.option(
    "--p95",
    type=FiniteRange(0, 3_600, min_open=True),
    required=True,
    help="The seconds within which 95% of the scenes must be done.",
)
@click.option(
    "--profile",
    "sources",
    type=ProfileSource(),
    required=True,
    multiple=True,
    help="A file that `scenewright profile` wrote, or the name of a published profile.",
)
@click.option(
    "--scenes",
    type=click.IntRange(500, 1_000_000),
    default=10_000,
    show_default=True,
    help="The number of scenes to simulate.",
)
@click.option(
    "--figures",
    type=click.IntRange(1, MAX_FIGURES),
    default=1,
    show_default=True,
    help="Characters in each scene.",
)
@click.option("--seed", type=int, default=0, show_default=True, help="Seed of the simulated arrivals.")
@click.option("--json", "as_json", is_flag=True, help="Print the plan as JSON.")
@click.option(
    "--published",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_list_published,
    help="List the published profiles with their sources, and exit.",
)
def plan(
    rates: tuple[float, ...],
    p95: float,
    sources: tuple[Path | str, ...],
    scenes: int,
    figures: int,
    seed: int,
    as_json: bool,
) -> None:
    """Work out how many GPUs a load needs.

    Simulates the service over Poisson arrivals: both branches, the sharing of forwards, routing and merging.
    Prints the fewest replicas that meet the goal, what one more of each would cost, and why one less fails.

    If a layer has several models, profile each pair of them that paints scenes together, and give --rps
    and --profile once for each pair. A model that is in two pairs is counted in both.
    """
    if len(rates) != len(sources):
        raise click.UsageError("give --rps once for each --profile")
    # numpy takes a moment to import, and no other command needs it.
    from ..planning.device_profile import ProfileError, read_profile
    from ..planning.published import PUBLISHED
    from ..planning.report import as_data, as_text
    from ..planning.search import Goal, NoPlan, Planner

    try:
        profiles = [
            PUBLISHED[source] if isinstance(source, str) else read_profile(source) for source in sources
        ]
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
