"""Write a command's file in the format of its name, and check that it is writable before any work."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from ..choices import PictureFormat

Command = TypeVar("Command", bound=Callable[..., Any])
FORMATS: dict[str, PictureFormat] = {".jpg": "jpeg", ".jpeg": "jpeg", ".png": "png", ".webp": "webp"}


def picture_format(file: Path) -> PictureFormat:
    """Return the format for the file's suffix. Raises click.BadParameter for an unknown suffix."""
    if file.suffix.lower() not in FORMATS:
        raise click.BadParameter(
            f"{click.format_filename(file.name)} must end in one of {', '.join(FORMATS)}", param_hint="-o"
        )
    return FORMATS[file.suffix.lower()]


def check_writable(file: Path) -> None:
    """Check that a file can be written; an existing one will be overwritten. Raises click.BadParameter."""
    folder = file.parent
    try:
        if not folder.is_dir():
            raise click.BadParameter(f"there is no folder {click.format_filename(folder)}", param_hint="-o")
        writable = not file.is_dir() and os.access(file if file.exists() else folder, os.W_OK)
    except OSError:  # A name that is too long.
        writable = False
    if not writable:
        raise click.BadParameter(f"{click.format_filename(file)} cannot be written", param_hint="-o")


def folder_option(help: str) -> Callable[[Command], Command]:
    """Return the required `-o`: a folder, made if it does not exist."""
    kind = click.Path(file_okay=False, path_type=Path)
    return click.option("-o", "--output", "folder", required=True, type=kind, help=help)


def make_folder(folder: Path) -> None:
    """Make a folder and its parents. Raises click.ClickException."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise click.ClickException(
            f"the folder {click.format_filename(folder)} cannot be made: {error.strerror}"
        ) from error


def write(file: Path, data: bytes) -> None:
    """Write a file. Raises click.ClickException, such as on a full disk."""
    try:
        file.write_bytes(data)
    except OSError as error:
        raise click.ClickException(
            f"{click.format_filename(file)} cannot be written: {error.strerror}"
        ) from error
