"""`scenewright merge`: merge picture files into one here, without a service, by the merger's own code.

It replaces the client's command of this name, which calls a running service.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from deployments.errors import InvalidRequest, ScenewrightError
from deployments.imaging.marks.attribution import TEXT
from deployments.merger import Merger
from deployments.messages import FigureOptions, MergeJob, MergeOptions, OutputOptions, Position, UploadJob
from scenewright.commands.merge import (
    LARGEST_SIDE_PX,
    PLACING,
    all_characters,
    merge_options,
    read,
    wrong_file,
)
from scenewright.commands.output import check_writable, picture_format, write
from scenewright.commands.parameter_types import of_each

MAX_PIXELS = 64_000_000
IN_PIXELS = {"width": "width_px", "height": "height_px"}


@click.command(short_help="Set one picture file into another, without a service.")
@merge_options
def merge(
    character: Path,
    background: Path,
    file: Path,
    enhance: bool,
    attribution: bool,
    layers: Path | None,
    further: tuple[Path, ...],
    positions: tuple[Position | float, ...],
    **options: Any,
) -> None:
    """Set the figure of CHARACTER.png into BACKGROUND.png, on this machine, without a service.

    Both may be PNG, JPEG or WebP; transparency is kept. The layers of an earlier scene give that scene again.
    """
    output = OutputOptions(picture_format(file))
    check_writable(file)
    given = {IN_PIXELS.get(name, name): options[name] for name in PLACING if options[name] is not None}
    characters = all_characters(character, further)
    positions_given = of_each(positions, len(characters))
    if positions_given and not further:
        given["position"] = positions_given[0]
    figures = [FigureOptions(each) for each in positions_given] or [FigureOptions()] * len(characters)
    mark = TEXT if attribution else None
    job = MergeJob("merge", MergeOptions(**given), output, enhance, mark, layers is not None)
    job = replace(job, figures=tuple(figures) if further else ())
    upload = UploadJob(
        job,
        read(character, "character"),
        read(background, "background"),
        max_pixels=MAX_PIXELS,
        given=frozenset(given),
        max_frame_px=LARGEST_SIDE_PX,
        further=tuple(read(file, "character") for file in further),
        given_figures=(frozenset({"position"} if positions_given else ()),) * len(job.figures),
    )
    files = {upload.character_name(index): file for index, file in enumerate(characters)}
    files["background"] = background
    try:
        merged = asyncio.run(Merger().merge_files(upload))
    except ScenewrightError as error:
        if isinstance(error, InvalidRequest) and error.param in files:
            raise wrong_file(files[error.param], error.param, error.message) from error
        raise click.ClickException(error.message) from error
    write(file, merged.picture.data)
    click.echo(file)
    for name, picture in merged.layers.items():
        write(Path(layers or ".", f"{name}.png"), picture.data)
    for figure in merged.figures or (merged,):
        click.echo(f"merge: {figure.mode}, confidence {figure.confidence:.2f}")
    for warning in merged.warnings:
        click.echo(warning)
