"""`scenewright scene`: descriptions in, one picture out, painted by a running service."""

from __future__ import annotations

from pathlib import Path
from typing import Any, get_args

import click

from ..choices import (
    MAX_FIGURES,
    MAX_GUIDANCE_CACHE,
    MAX_REFERENCES,
    Fallback,
    MergeMode,
    PictureFormat,
    Position,
)
from ..responses import Scene
from .live import paint
from .output import check_writable, picture_format, write
from .parameter_types import FiniteRange, LoraParam, PoseFile, PositionParam, of_each, on_the_wire
from .scene_request import fields_of, further_layer, layer_of
from .service import connected, service_options

PICTURE = click.Path(exists=True, dir_okay=False, path_type=Path)
STRENGTH = FiniteRange(0, 1, min_open=True)
SCALE = FiniteRange(0, 2)


@click.command(short_help="Paint CHARACTER in front of BACKGROUND, both in words.")
@click.argument("character")
@click.argument("background")
@click.option(
    "-o", "--output", "file", type=click.Path(path_type=Path), metavar="FILE", help="File for the picture."
)
@click.option("--link", is_flag=True, help="Print a link to the picture, which expires, and write no FILE.")
@click.option("--later", is_flag=True, help="Print the id of a job that paints it, without waiting.")
@click.option(
    "--idempotency-key", metavar="KEY", help="The same key and words within 24 hours give the same picture."
)
@click.option(
    "--character",
    "further",
    multiple=True,
    metavar="WORDS",
    help=f"Another figure besides CHARACTER, up to {MAX_FIGURES} in all; a later one is in front.",
)
@click.option("--seed", type=int, help="Seed of all layers, plus one for each further figure; else random.")
@click.option("--character-seed", type=int, help="Seed of CHARACTER alone.")
@click.option("--background-seed", type=int, help="Seed of BACKGROUND alone.")
@click.option(
    "--character-model", metavar="ID", help="One of `scenewright models`; by default the layer's first."
)
@click.option("--background-model", metavar="ID", help="The same for BACKGROUND.")
@click.option("--steps", type=int, help="Denoising steps of each layer.")
@click.option("--image", type=PICTURE, metavar="FILE", help="Picture that CHARACTER starts from.")
@click.option(
    "--mask", type=PICTURE, metavar="FILE", help="Mask of the picture: its white parts are repainted."
)
@click.option(
    "--strength", type=STRENGTH, help="How much the picture may change; by default 0.6, or 1 with a mask."
)
@click.option("--background-image", type=PICTURE, metavar="FILE", help="The same for BACKGROUND.")
@click.option("--background-mask", type=PICTURE, metavar="FILE", help="Mask of that picture.")
@click.option("--background-strength", type=STRENGTH, help="How much that picture may change.")
@click.option(
    "--reference",
    "references",
    type=PICTURE,
    multiple=True,
    metavar="FILE",
    help=f"Picture that CHARACTER should resemble; up to {MAX_REFERENCES}.",
)
@click.option("--reference-scale", type=SCALE, help="How much it resembles them; 0.6 by default.")
@click.option(
    "--background-reference",
    "background_references",
    type=PICTURE,
    multiple=True,
    metavar="FILE",
    help="Picture that BACKGROUND should resemble.",
)
@click.option("--background-reference-scale", type=SCALE, help="How much it resembles them.")
@click.option(
    "--pose",
    type=PoseFile(),
    help="The pose of CHARACTER: 18 keypoints in a .json file, or a picture of its skeleton.",
)
@click.option("--pose-scale", type=SCALE, help="How closely it follows the pose; 1 by default.")
@click.option(
    "--lora",
    "character_lora",
    type=LoraParam(),
    multiple=True,
    help="LoRA for CHARACTER alone, by its name in /v1/models; several add up.",
)
@click.option("--background-lora", type=LoraParam(), multiple=True, help="The same for BACKGROUND.")
@click.option(
    "--guidance-cache",
    type=click.IntRange(2, MAX_GUIDANCE_CACHE),
    help="Compute the guidance in only one of this many steps, in all layers: faster, and reported.",
)
@click.option(
    "--position",
    "positions",
    type=PositionParam(),
    multiple=True,
    help="Where the character stands; give one per character. By default several are spaced evenly.",
)
@click.option(
    "--mode", type=click.Choice(get_args(MergeMode)), help="How the character is merged into the background."
)
@click.option("--width", type=int, help="Width of the whole picture in pixels.")
@click.option("--height", type=int, help="Height of the whole picture in pixels.")
@click.option("--enhance", is_flag=True, help="Sharpen, with a little more contrast and colour.")
@click.option("--attribution", is_flag=True, help="Mark the picture with its model's attribution.")
@click.option(
    "--layers",
    is_flag=True,
    help="Also write FILE-character.png, -background.png, -mask.png and -painted.png; for several figures"
    " -character-0.png and so on.",
)
@click.option(
    "--format",
    "format_",
    type=click.Choice(get_args(PictureFormat)),
    help="By default the format of FILE's suffix.",
)
@click.option(
    "--previews",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="FOLDER",
    help="Also write previews of all layers, step by step.",
)
@click.option(
    "--fallback",
    type=click.Choice(get_args(Fallback)),
    help="What to do if a layer cannot be painted as requested.",
)
@service_options
def scene(
    character: str,
    background: str,
    further: tuple[str, ...],
    positions: tuple[Position | float, ...],
    file: Path | None,
    link: bool,
    later: bool,
    idempotency_key: str | None,
    previews: Path | None,
    url: str,
    api_key: str | None,
    **options: Any,
) -> None:
    """Paint CHARACTER in front of BACKGROUND (both in words) into FILE, by a running service.

    Each can start from a picture instead of noise. Instead of FILE, the result may be a link or a job.
    """
    _check_one_of(file, link, later, previews)
    wire_format = options["format_"] or (picture_format(file) if file else None)
    if file:
        check_writable(file)
    if 1 + len(further) > MAX_FIGURES:
        raise click.BadParameter(f"at most {MAX_FIGURES} figures are allowed", param_hint="--character")
    positions_given = [on_the_wire(position) for position in of_each(positions, 1 + len(further))]
    first = layer_of(character, options, "character")
    layers: dict[str, Any] = {"character": first, "background": layer_of(background, options, "background")}
    if further:
        figures = [first, *(further_layer(words, options) for words in further)]
        places = [{"position": position} for position in positions_given] or [{}] * len(figures)
        layers["character"] = [{**figure, **place} for figure, place in zip(figures, places, strict=True)]
        positions_given = []
    request = {**layers, **fields_of(options, positions_given, wire_format)}
    if link:
        request["output"]["as"] = "url"
    with connected(url, api_key) as service:
        if later:
            click.echo(service.scene_later(idempotency_key=idempotency_key, **request)["id"])
            return
        painted = paint(service, request | {"idempotency_key": idempotency_key}, previews)
    if file:
        _write(file, painted)
    else:
        for address in (painted.url, *painted.layer_urls.values()):
            click.echo(address)
    _report(painted)


def _check_one_of(file: Path | None, link: bool, later: bool, previews: Path | None) -> None:
    """Raise click.UsageError unless exactly one of FILE, --link and --later is given."""
    if (file is not None) + link + later != 1:
        raise click.UsageError("give exactly one of -o FILE, --link and --later")
    if later and previews is not None:
        raise click.BadParameter("cannot be used with --later", param_hint="--previews")


def _write(file: Path, painted: Scene) -> None:
    write(file, painted.data)
    click.echo(file)
    for name, data in painted.layers.items():
        beside = file.with_name(f"{file.stem}-{name}.png")
        write(beside, data)
        click.echo(beside)


def _report(painted: Scene) -> None:
    click.echo("seeds: " + ", ".join(f"{layer} {seed}" for layer, seed in painted.seeds.items()))
    for how in painted.degraded:
        click.echo(f"degraded: {how}")
    for warning in painted.warnings:
        click.echo(f"warning: {warning}")
    click.echo("ms: " + ", ".join(f"{stage} {ms:.0f}" for stage, ms in painted.timings_ms.items()))
    if painted.backend == "simulated":
        click.echo("simulated: no model painted this")
