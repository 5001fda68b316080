"""`scenewright merge`: merge picture files into one, by a running service.

If the service is installed, its own command of this name replaces this one. It has the same options, and
merges on this machine.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args

import click

from ..choices import MAX_FIGURES, MergeMode, Position
from ..errors import InvalidRequest
from .output import check_writable, picture_format, write
from .parameter_types import FiniteRange, PositionParam, of_each, on_the_wire
from .service import connected, service_options

NAMES = {"character": "CHARACTER.png", "background": "BACKGROUND.png"}
PICTURE = click.Path(exists=True, dir_okay=False, path_type=Path)
FOLDER = click.Path(exists=True, file_okay=False, writable=True, path_type=Path)
LARGEST_SIDE_PX = 8_192
SIDE = click.IntRange(64, LARGEST_SIDE_PX)
PLACING = ("mode", "width", "height", "scale", "harmonize", "shadow", "contrast")
OPTIONS = (
    click.argument("character", type=PICTURE, metavar=NAMES["character"]),
    click.argument("background", type=PICTURE, metavar=NAMES["background"]),
    click.option(
        "-o",
        "--output",
        "file",
        required=True,
        type=click.Path(path_type=Path),
        metavar="FILE",
        help="File for the picture.",
    ),
    click.option(
        "--mode",
        type=click.Choice(get_args(MergeMode)),
        help="How the character is merged into the background; by default auto.",
    ),
    click.option(
        "--character",
        "further",
        type=PICTURE,
        multiple=True,
        metavar="FILE",
        help=f"Another figure besides CHARACTER.png, up to {MAX_FIGURES} in all.",
    ),
    click.option(
        "--position",
        "positions",
        type=PositionParam(),
        multiple=True,
        help="right by default. Give one per figure; several are spaced evenly by default.",
    ),
    click.option("--width", type=SIDE, help="Width of the merged picture; 1024 by default."),
    click.option("--height", type=SIDE, help="Height of the merged picture; 512 by default."),
    click.option("--scale", type=FiniteRange(0.1, 4), help="Scale of the figure; 1.0 by default."),
    click.option(
        "--harmonize",
        type=FiniteRange(0, 1),
        help="How far the figure's light is matched to the background's; 0.55 by default.",
    ),
    click.option("--shadow/--no-shadow", default=None, help="Shadow under the figure's feet; on by default."),
    click.option(
        "--contrast",
        type=FiniteRange(0, 4),
        help="By default 1.1 for paste and 1.0 for a cut-out.",
    ),
    click.option("--enhance", is_flag=True, help="Sharpen, with a little more contrast and colour."),
    click.option("--attribution", is_flag=True, help='Mark the picture "Generated with Stable Diffusion".'),
    click.option("--layers", type=FOLDER, metavar="FOLDER", help="Also write the layers to this folder."),
)


def merge_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the arguments and options of a merge, which are the same wherever it runs."""
    for option in reversed(OPTIONS):
        command = option(command)
    return command


@click.command(short_help="Merge one picture file into another, by a running service.")
@merge_options
@service_options
def merge(
    character: Path,
    background: Path,
    file: Path,
    enhance: bool,
    attribution: bool,
    layers: Path | None,
    further: tuple[Path, ...],
    positions: tuple[Position | float, ...],
    url: str,
    api_key: str | None,
    **options: Any,
) -> None:
    """Merge the figure of CHARACTER.png into BACKGROUND.png, by a running service.

    Both may be PNG, JPEG or WebP; transparency is honoured. An earlier scene's layers give that scene again.
    """
    wire_format = picture_format(file)
    check_writable(file)
    characters = all_characters(character, further)
    options = _options(options, of_each(positions, len(characters)), bool(further))
    switches = {"enhance": enhance, "attribution": attribution, "layers": layers is not None}
    options |= {name: True for name, on in switches.items() if on}
    figures = [read(path, "character") for path in characters]
    place = read(background, "background")
    with connected(url, api_key) as service:
        try:
            merged = service.merge(
                figures if further else figures[0], place, output={"format": wire_format}, **options
            )
        except InvalidRequest as error:
            raise _naming_the_file(error, characters, background) from error
    write(file, merged.data)
    click.echo(file)
    for name, data in merged.layers.items():
        write(Path(layers or ".", f"{name}.png"), data)
    for figure in merged.merge.get("figures") or (merged.merge,):
        click.echo(f"merge: {figure['mode']}, confidence {figure['confidence']:.2f}")
    for warning in merged.warnings:
        click.echo(warning)


def all_characters(first: Path, further: tuple[Path, ...]) -> tuple[Path, ...]:
    """Return the files of all figures. Raises click.BadParameter for too many."""
    if 1 + len(further) > MAX_FIGURES:
        raise click.BadParameter(f"at most {MAX_FIGURES} figures are allowed", param_hint="--character")
    return (first, *further)


def read(file: Path, name: str) -> bytes:
    """Read an argument's file. Raises click.BadParameter."""
    try:
        return file.read_bytes()
    except OSError as error:
        message = f"{file} cannot be read: {error.strerror}"
        raise click.BadParameter(message, param_hint=NAMES[name]) from error


def wrong_file(file: Path, param: str, message: str) -> click.BadParameter:
    """Return the error that names a file that is not a picture. `param` is its name in the request."""
    return click.BadParameter(f"{file}: {message}", param_hint=NAMES.get(param, "--character"))


def _options(
    options: dict[str, Any], positions_given: list[Position | float], several: bool
) -> dict[str, Any]:
    """Return the request's `merge` and `figures`, with only the options that were given."""
    placing = {name: options[name] for name in PLACING if options[name] is not None}
    places = [on_the_wire(position) for position in positions_given]
    if several:
        figures = {"figures": [{"position": place} for place in places]} if places else {}
        return {**figures, **({"merge": placing} if placing else {})}
    placing |= {"position": places[0]} if places else {}
    return {"merge": placing} if placing else {}


def _naming_the_file(error: InvalidRequest, characters: tuple[Path, ...], background: Path) -> Exception:
    files = {f"character.{index}": path for index, path in enumerate(characters)}
    files |= {"character": characters[0], "background": background}
    if error.param in files:
        return wrong_file(files[error.param], error.param, error.message)
    return error
