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
from .service import connected, service_options

PICTURE = click.Path(exists=True, dir_okay=False, path_type=Path)
STRENGTH = FiniteRange(0, 1, min_open=True)
SCALE = FiniteRange(0, 2)
START = ("image", "mask", "strength")


@click.command(short_help="Paint CHARACTER before BACKGROUND, both in words.")
@click.argument("character")
@click.argument("background")
@click.option("-o", "--output", "file", type=click.Path(path_type=Path), metavar="FILE")
@click.option("--link", is_flag=True, help="Print a link to the picture, which ends by itself, and no FILE.")
@click.option("--later", is_flag=True, help="Print the id of a job that paints it, and wait for nothing.")
@click.option("--idempotency-key", metavar="KEY", help="The same key and words: painted once a day.")
@click.option(
    "--character",
    "further",
    multiple=True,
    metavar="WORDS",
    help=f"Another figure beside CHARACTER, up to {MAX_FIGURES} in all; a later one is in front.",
)
@click.option("--seed", type=int, help="For all layers, one more for each further figure; else random.")
@click.option("--character-seed", type=int, help="For CHARACTER alone.")
@click.option("--background-seed", type=int)
@click.option("--character-model", metavar="ID", help="One of `scenewright models`; else the layer's first.")
@click.option("--background-model", metavar="ID")
@click.option("--steps", type=int, help="Denoising steps of each layer.")
@click.option("--image", type=PICTURE, metavar="FILE", help="A picture that CHARACTER starts from.")
@click.option("--mask", type=PICTURE, metavar="FILE", help="What of it is painted anew: where this is white.")
@click.option("--strength", type=STRENGTH, help="How far it goes from its picture: 0.6, or 1 with a mask.")
@click.option("--background-image", type=PICTURE, metavar="FILE", help="The same for BACKGROUND.")
@click.option("--background-mask", type=PICTURE, metavar="FILE")
@click.option("--background-strength", type=STRENGTH)
@click.option(
    "--reference",
    "references",
    type=PICTURE,
    multiple=True,
    metavar="FILE",
    help=f"A picture that CHARACTER shall resemble, up to {MAX_REFERENCES} of them.",
)
@click.option("--reference-scale", type=SCALE, help="How much it resembles them: 0.6 unless given.")
@click.option("--background-reference", "background_references", type=PICTURE, multiple=True, metavar="FILE")
@click.option("--background-reference-scale", type=SCALE)
@click.option(
    "--pose",
    type=PoseFile(),
    help="The pose of CHARACTER: 18 keypoints in a .json file, or a picture of its skeleton.",
)
@click.option("--pose-scale", type=SCALE, help="How closely it follows the pose: 1 unless given.")
@click.option(
    "--lora",
    "character_lora",
    type=LoraParam(),
    multiple=True,
    help="A LoRA for CHARACTER alone, by its name in /v1/models; several add up.",
)
@click.option("--background-lora", type=LoraParam(), multiple=True, help="The same for BACKGROUND.")
@click.option(
    "--guidance-cache",
    type=click.IntRange(2, MAX_GUIDANCE_CACHE),
    help="Faster, and declared: one of so many steps computes the guidance, in all layers.",
)
@click.option(
    "--position",
    "positions",
    type=PositionParam(),
    multiple=True,
    help="Where the character stands. Once for each of several, which else spread evenly.",
)
@click.option(
    "--mode", type=click.Choice(get_args(MergeMode)), help="How the character is set into the place."
)
@click.option("--width", type=int, help="Of the whole picture, in pixels.")
@click.option("--height", type=int, help="Of the whole picture, in pixels.")
@click.option("--enhance", is_flag=True, help="Sharper, with a little more contrast and colour.")
@click.option("--attribution", is_flag=True, help="Mark the picture with its model's attribution.")
@click.option(
    "--layers",
    is_flag=True,
    help="Also write FILE-character.png, -background.png, -mask.png and -painted.png; of several figures"
    " -character-0.png and so on.",
)
@click.option(
    "--format", "format_", type=click.Choice(get_args(PictureFormat)), help="Else from FILE's suffix."
)
@click.option(
    "--previews",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="FOLDER",
    help="Also write how all layers came to be, step by step.",
)
@click.option(
    "--fallback", type=click.Choice(get_args(Fallback)), help="For a layer that cannot be as requested."
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
    """Paint CHARACTER before BACKGROUND (both in words) into FILE, by a running service.

    Each can start from a picture in place of noise. In place of FILE it may be a link, or a job.
    """
    _check_one_of(file, link, later, previews)
    wire_format = options["format_"] or (picture_format(file) if file else None)
    if file:
        check_writable(file)
    if 1 + len(further) > MAX_FIGURES:
        raise click.BadParameter(f"there are {MAX_FIGURES} figures at most", param_hint="--character")
    positions_given = [on_the_wire(position) for position in of_each(positions, 1 + len(further))]
    first = _layer(character, options, "character")
    layers: dict[str, Any] = {"character": first, "background": _layer(background, options, "background")}
    if further:
        figures = [first, *(_further(words, options) for words in further)]
        places = [{"position": position} for position in positions_given] or [{}] * len(figures)
        layers["character"] = [{**figure, **place} for figure, place in zip(figures, places, strict=True)]
        positions_given = []
    request = {**layers, **_request(options, positions_given, wire_format)}
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
    """Raise click.UsageError unless there is one place for the picture."""
    if (file is not None) + link + later != 1:
        raise click.UsageError("give one of -o FILE, --link and --later")
    if later and previews is not None:
        raise click.BadParameter("nothing is waited for with --later", param_hint="--previews")


def _write(file: Path, painted: Scene) -> None:
    write(file, painted.data)
    click.echo(file)
    for name, data in painted.layers.items():
        beside = file.with_name(f"{file.stem}-{name}.png")
        write(beside, data)
        click.echo(beside)


def _further(prompt: str, options: dict[str, Any]) -> dict[str, Any]:
    """Return another figure, which has what all layers have."""
    return _given(prompt=prompt, num_inference_steps=options["steps"], speed=_speed(options))


def _speed(options: dict[str, Any]) -> dict[str, int] | None:
    cache = options["guidance_cache"]
    return None if cache is None else {"cache": cache}


def _layer(prompt: str, options: dict[str, Any], kind: str) -> dict[str, Any]:
    prefix = "" if kind == "character" else f"{kind}_"
    return _given(
        prompt=prompt,
        seed=options[f"{kind}_seed"],
        model=options[f"{kind}_model"],
        num_inference_steps=options["steps"],
        speed=_speed(options),
        loras=list(options[f"{kind}_lora"]) or None,
        **_start(options, prefix),
        **_guides(options, prefix),
    )


def _start(options: dict[str, Any], prefix: str) -> dict[str, Any]:
    """Return what a layer starts from. Raises click.BadParameter for what only a picture has."""
    start = {name: options[prefix + name] for name in START}
    if start["image"] is None:
        for name in (each for each in START if start[each] is not None):
            flags = [f"--{prefix}{each}".replace("_", "-") for each in (name, "image")]
            raise click.BadParameter(f"it needs {flags[1]} too", param_hint=flags[0])
    return start


def _guides(options: dict[str, Any], prefix: str) -> dict[str, Any]:
    """Return a layer's references and its pose. Raises click.BadParameter."""
    references, flag = options[f"{prefix}references"], f"--{prefix}reference".replace("_", "-")
    scale = options[f"{prefix}reference_scale"]
    pose, pose_scale = (options.get(f"{prefix}{name}") for name in ("pose", "pose_scale"))
    if len(references) > MAX_REFERENCES:
        raise click.BadParameter(f"there are {MAX_REFERENCES} references at most", param_hint=flag)
    if scale is not None and not references:
        raise click.BadParameter(f"it needs {flag} too", param_hint=f"{flag}-scale")
    if pose_scale is not None and pose is None:
        raise click.BadParameter("it needs --pose too", param_hint="--pose-scale")
    return _given(
        references=list(references) or None, reference_scale=scale, pose=pose, pose_scale=pose_scale
    )


def _request(options: dict[str, Any], positions_given: list[Any], wire_format: str | None) -> dict[str, Any]:
    """Return the request's fields besides the layers. The service's defaults fill in the rest."""
    merge = _given(
        position=positions_given[0] if positions_given else None,
        **{name: options[name] for name in ("mode", "width", "height")},
    )
    switches = {name: True for name in ("enhance", "attribution", "layers") if options[name]}
    rest = _given(seed=options["seed"], fallback=options["fallback"], merge=merge or None)
    return {**rest, **switches, "output": _given(format=wire_format)}


def _given(**values: Any) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}


def _report(painted: Scene) -> None:
    click.echo("seeds: " + ", ".join(f"{layer} {seed}" for layer, seed in painted.seeds.items()))
    for how in painted.degraded:
        click.echo(f"degraded: {how}")
    for warning in painted.warnings:
        click.echo(f"warning: {warning}")
    click.echo("ms: " + ", ".join(f"{stage} {ms:.0f}" for stage, ms in painted.timings_ms.items()))
    if painted.backend == "simulated":
        click.echo("simulated: no model painted this")
