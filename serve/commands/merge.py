"""`scenewright merge`: two picture files into one, here and without a service, by the merger's own code."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any, get_args

import click

from deployments.errors import InvalidRequest, ScenewrightError
from deployments.imaging.marks.attribution import TEXT
from deployments.merger import Merger
from deployments.messages import MergeJob, MergeMode, MergeOptions, OutputOptions, UploadJob

from .finite import FiniteRange
from .output import check_writable, picture_format, write
from .position import PositionParam

PICTURE = click.Path(exists=True, dir_okay=False, path_type=Path)
FOLDER = click.Path(exists=True, file_okay=False, writable=True, path_type=Path)
LARGEST_SIDE_PX = 8_192
SIDE = click.IntRange(64, LARGEST_SIDE_PX)
MAX_PIXELS = 64_000_000
NAMES = {"character": "CHARACTER.png", "background": "BACKGROUND.png"}
PLACING = ("mode", "position", "width_px", "height_px", "scale", "harmonize", "shadow", "contrast")


@click.command(short_help="Set one picture file into another, without a service.")
@click.argument("character", type=PICTURE, metavar=NAMES["character"])
@click.argument("background", type=PICTURE, metavar=NAMES["background"])
@click.option("-o", "--output", "file", required=True, type=click.Path(path_type=Path), metavar="FILE")
@click.option("--mode", type=click.Choice(get_args(MergeMode)), help="auto where not given.")
@click.option("--position", type=PositionParam(), help="right where not given.")
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
    **asked: Any,
) -> None:
    """Set the figure of CHARACTER.png into BACKGROUND.png, on this machine, without a service.

    Both may be PNG, JPEG or WebP; transparency is honoured. Layers of an earlier scene give that scene again.
    """
    output = OutputOptions(picture_format(file))
    check_writable(file)
    given = {name: asked[name] for name in PLACING if asked[name] is not None}
    mark = TEXT if attribution else None
    job = MergeJob("merge", MergeOptions(**given), output, enhance, mark, layers is not None)
    files = {"character": character, "background": background}
    contents = {name: _read(path, name) for name, path in files.items()}
    upload = UploadJob(
        job,
        contents["character"],
        contents["background"],
        max_pixels=MAX_PIXELS,
        given=frozenset(given),
        max_frame_px=LARGEST_SIDE_PX,
    )
    try:
        merged = asyncio.run(Merger().merge_files(upload))
    except ScenewrightError as error:
        if isinstance(error, InvalidRequest) and error.param in files:
            message = f"{files[error.param]}: {error.message}"
            raise click.BadParameter(message, param_hint=NAMES[error.param]) from error
        raise click.ClickException(error.message) from error
    write(file, merged.picture.data)
    click.echo(file)
    for name, picture in merged.layers.items():
        write(Path(layers or ".", f"{name}.png"), picture.data)
    click.echo(f"merge: {merged.mode}, confidence {merged.confidence:.2f}")
    for warning in merged.warnings:
        click.echo(warning)


def _read(file: Path, name: str) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        message = f"{file} cannot be read: {error.strerror}"
        raise click.BadParameter(message, param_hint=NAMES[name]) from error
