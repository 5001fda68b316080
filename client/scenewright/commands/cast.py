"""`scenewright cast`: heroes that a running service keeps by name, and their sprite sheets for games."""

from __future__ import annotations

import json
import re
import zipfile
from io import BytesIO
from pathlib import Path
from typing import Any

import click

from .output import folder_option, make_folder, write
from .pose_file import read_poses
from .service import connected, service_options

PAGE = 100
IN_ARCHIVE = re.compile(r"(poses/)?[A-Za-z0-9][A-Za-z0-9_.-]{0,80}\.(png|json)")
READABLE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.group()
def cast() -> None:
    """Keep heroes, and paint them by name."""


@cast.command()
@click.argument("name")
@click.option(
    "--description", default="", help="What the hero looks like; comes before a layer's own prompt."
)
@click.option(
    "--reference", "references", multiple=True, type=READABLE, help="A picture of the hero; up to four."
)
@click.option("--seed", type=int, help="Seed of layers without their own.")
@click.option("--negative-prompt", help="Negative prompt of layers without their own.")
@service_options
def add(
    name: str,
    description: str,
    references: tuple[Path, ...],
    seed: int | None,
    negative_prompt: str | None,
    url: str,
    api_key: str | None,
) -> None:
    """Keep a hero as NAME; a layer paints it with `"cast": "NAME"`."""
    given = {"description": description, "seed": seed, "negative_prompt": negative_prompt}
    fields = {field: value for field, value in given.items() if value is not None}
    with connected(url, api_key) as service:
        click.echo(_line(service.cast.add(name, references, **fields)))


@cast.command("list")
@service_options
def list_(url: str, api_key: str | None) -> None:
    """List the heroes by name."""
    with connected(url, api_key) as service:
        after: str | None = None
        while True:
            page = service.cast.list(PAGE, after)
            for member in page["data"]:
                click.echo(_line(member))
            after = page.get("next")
            if after is None:
                return


@cast.command()
@click.argument("name")
@service_options
def show(name: str, url: str, api_key: str | None) -> None:
    """Show all fields of a hero, as JSON."""
    with connected(url, api_key) as service:
        click.echo(json.dumps(service.cast.get(name), indent=2, ensure_ascii=False))


@cast.command()
@click.argument("name")
@service_options
def remove(name: str, url: str, api_key: str | None) -> None:
    """Remove a hero, and its pictures with it."""
    with connected(url, api_key) as service:
        service.cast.remove(name)
        click.echo("removed")


@cast.command()
@click.argument("name")
@click.option(
    "--poses", "file", type=READABLE, help="YAML or JSON list of poses; by default some usual ones."
)
@folder_option("Folder for the frames and their atlas.")
@service_options
def export(name: str, file: Path | None, folder: Path, url: str, api_key: str | None) -> None:
    """Paint a hero in poses for a game.

    Writes an atlas, its JSON, and each pose as a separate PNG.
    A pose is a prompt, or a layer's fields with the `name` of its frame.
    """
    poses = read_poses(file) if file is not None else []
    with connected(url, api_key) as service:
        archive = service.cast.sheet(name, poses)
    make_folder(folder / "poses")
    for path, data in _files(archive):
        write(folder / path, data)
        click.echo(folder / path)


def _files(archive: bytes) -> list[tuple[str, bytes]]:
    """Return the files of a sheet's archive. Raises click.ClickException for another format."""
    try:
        with zipfile.ZipFile(BytesIO(archive)) as files:
            names = files.namelist()
            if not names or not all(IN_ARCHIVE.fullmatch(each) for each in names):
                raise click.ClickException(
                    "the service's archive contains files that are not part of a sheet"
                )
            return [(each, files.read(each)) for each in names]
    except zipfile.BadZipFile as error:
        raise click.ClickException(f"the service's archive is damaged: {error}") from error


def _line(member: dict[str, Any]) -> str:
    references = len(member.get("references", ()))
    pictures = f", {references} reference{'s' if references > 1 else ''}" if references else ""
    description = f"  {member['description']}" if member.get("description") else ""
    return f"{member['name']}  version {member['version']}{pictures}{description}"
