"""`scenewright merge`: two picture files into one, here and without a service, by the merger's own code."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import get_args

import click

from deployments.errors import ScenewrightError
from deployments.imaging.attribution import TEXT
from deployments.merger import Merger
from deployments.messages import (
    LayerKind,
    LayerResult,
    LayerTimings,
    MergeJob,
    MergeMode,
    MergeOptions,
    OutputOptions,
    Pixels,
    Position,
)

from .output import check_writable, picture_format, write
from .pictures import read_pixels

PICTURE = click.Path(exists=True, dir_okay=False, path_type=Path)
SIDE = click.IntRange(64, 8_192)


@click.command()
@click.argument("character", type=PICTURE, metavar="CHARACTER.png")
@click.argument("background", type=PICTURE, metavar="BACKGROUND.png")
@click.option("-o", "--output", "file", required=True, type=click.Path(path_type=Path), metavar="FILE")
@click.option("--position", type=click.Choice(get_args(Position)), default="right", show_default=True)
@click.option("--mode", type=click.Choice(get_args(MergeMode)), default="auto", show_default=True)
@click.option("--width", type=SIDE, default=1024, show_default=True, help="Of the merged picture.")
@click.option("--height", type=SIDE, default=512, show_default=True, help="Of the merged picture.")
@click.option(
    "--contrast", type=click.FloatRange(0, 4), help="1.1 for paste and 1.0 for a cut-out where not given."
)
@click.option("--enhance", is_flag=True, help="Sharper, with a little more contrast and colour.")
@click.option("--attribution", is_flag=True, help=f"Mark the picture: {TEXT}.")
def merge(
    character: Path,
    background: Path,
    file: Path,
    position: Position,
    mode: MergeMode,
    width: int,
    height: int,
    contrast: float | None,
    enhance: bool,
    attribution: bool,
) -> None:
    """Set the figure of CHARACTER.png into BACKGROUND.png, on this machine, without a service."""
    output = OutputOptions(picture_format(file))
    check_writable(file)
    layers = (
        _layer("character", read_pixels(character, "CHARACTER.png")),
        _layer("background", read_pixels(background, "BACKGROUND.png")),
    )
    options = MergeOptions(mode, position, width, height, contrast=contrast)
    job = MergeJob("merge", options, output, enhance, TEXT if attribution else None)
    try:
        merged = asyncio.run(Merger().merge(job, *layers))
    except ScenewrightError as error:
        raise click.ClickException(error.message) from error
    write(file, merged.picture.data)
    click.echo(file)
    click.echo(f"merge: {merged.mode}, confidence {merged.confidence:.2f}")


def _layer(kind: LayerKind, pixels: Pixels) -> LayerResult:
    """A file stands in for what a generator painted."""
    return LayerResult(kind, pixels, 0, "file", "diffusers", LayerTimings(0.0, 0.0, 0.0, 0.0))
