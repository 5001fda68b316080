"""`scenewright merge`: two picture files into one, here and without a service, by the merger's own code."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import click

from deployments.errors import InvalidRequest, ScenewrightError
from deployments.imaging.marks.attribution import TEXT
from deployments.merger import Merger
from deployments.messages import (
    MAX_FIGURES,
    FigureOptions,
    MergeJob,
    MergeMode,
    MergeOptions,
    OutputOptions,
    Position,
    UploadJob,
)
from scenewright.commands.finite import FiniteRange
from scenewright.commands.output import check_writable, picture_format, write
from scenewright.commands.position import PositionParam, of_each

PICTURE = click.Path(exists=True, dir_okay=False, path_type=Path)
FOLDER = click.Path(exists=True, file_okay=False, writable=True, path_type=Path)
LARGEST_SIDE_PX = 8_192
SIDE = click.IntRange(64, LARGEST_SIDE_PX)
MAX_PIXELS = 64_000_000
NAMES = {"character": "CHARACTER.png", "background": "BACKGROUND.png"}
PLACING = ("mode", "width_px", "height_px", "scale", "harmonize", "shadow", "contrast")


@click.command(short_help="Set one picture file into another, without a service.")
@click.argument("character", type=PICTURE, metavar=NAMES["character"])
@click.argument("background", type=PICTURE, metavar=NAMES["background"])
@click.option("-o", "--output", "file", required=True, type=click.Path(path_type=Path), metavar="FILE")
@click.option("--mode", type=click.Choice(get_args(MergeMode)), help="auto where not given.")
@click.option(
    "--character",
    "further",
    type=PICTURE,
    multiple=True,
    metavar="FILE",
    help=f"Another figure beside CHARACTER.png, up to {MAX_FIGURES} in all.",
)
@click.option(
    "--position",
    "positions",
    type=PositionParam(),
    multiple=True,
    help="right where not given. Once for each of several figures, which else spread evenly.",
)
@click.option("--width", "width_px", type=SIDE, help="Of the merged picture; 1024 where not given.")
@click.option("--height", "height_px", type=SIDE, help="Of the merged picture; 512 where not given.")
@click.option("--scale", type=FiniteRange(0.1, 4), help="Of the figure; 1.0 where not given.")
@click.option(
    "--harmonize", type=FiniteRange(0, 1), help="How much of the place's light it takes on; else 0.55."
)
@click.option("--shadow/--no-shadow", default=None, help="Under its feet; there where not given.")
@click.option(
    "--contrast", type=FiniteRange(0, 4), help="1.1 for paste and 1.0 for a cut-out where not given."
)
@click.option("--enhance", is_flag=True, help="Sharper, with a little more contrast and colour.")
@click.option("--attribution", is_flag=True, help=f"Mark the picture: {TEXT}.")
@click.option("--layers", type=FOLDER, metavar="FOLDER", help="Also write the layers there.")
def merge(
    character: Path,
    background: Path,
    file: Path,
    enhance: bool,
    attribution: bool,
    layers: Path | None,
    further: tuple[Path, ...],
    positions: tuple[Position | float, ...],
    **asked: Any,
) -> None:
    """Set the figure of CHARACTER.png into BACKGROUND.png, on this machine, without a service.

    Both may be PNG, JPEG or WebP; transparency is honoured. Layers of an earlier scene give that scene again.
    """
    output = OutputOptions(picture_format(file))
    check_writable(file)
    given = {name: asked[name] for name in PLACING if asked[name] is not None}
    characters = (character, *further)
    if len(characters) > MAX_FIGURES:
        raise click.BadParameter(f"there are {MAX_FIGURES} figures at most", param_hint="--character")
    standing = of_each(positions, len(characters))
    if standing and not further:
        given["position"] = standing[0]
    figures = [FigureOptions(each) for each in standing] or [FigureOptions()] * len(characters)
    mark = TEXT if attribution else None
    job = MergeJob("merge", MergeOptions(**given), output, enhance, mark, layers is not None)
    job = replace(job, figures=tuple(figures) if further else ())
    upload = UploadJob(
        job,
        _read(character, "character"),
        _read(background, "background"),
        max_pixels=MAX_PIXELS,
        given=frozenset(given),
        max_frame_px=LARGEST_SIDE_PX,
        further=tuple(_read(file, "character") for file in further),
        given_figures=(frozenset({"position"} if standing else ()),) * len(job.figures),
    )
    files = {upload.character_name(index): file for index, file in enumerate(characters)}
    files["background"] = background
    try:
        merged = asyncio.run(Merger().merge_files(upload))
    except ScenewrightError as error:
        if isinstance(error, InvalidRequest) and error.param in files:
            message = f"{files[error.param]}: {error.message}"
            hint = NAMES.get(error.param, "--character")
            raise click.BadParameter(message, param_hint=hint) from error
        raise click.ClickException(error.message) from error
    write(file, merged.picture.data)
    click.echo(file)
    for name, picture in merged.layers.items():
        write(Path(layers or ".", f"{name}.png"), picture.data)
    for figure in merged.figures or (merged,):
        click.echo(f"merge: {figure.mode}, confidence {figure.confidence:.2f}")
    for warning in merged.warnings:
        click.echo(warning)


def _read(file: Path, name: str) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        message = f"{file} cannot be read: {error.strerror}"
        raise click.BadParameter(message, param_hint=NAMES[name]) from error
