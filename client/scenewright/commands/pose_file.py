"""Read a file of poses: a YAML or JSON list, or `poses: [...]`, of prompts and layers with names."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

LARGEST_BYTES = 1 << 20
"""More than any service reads."""


def read_poses(file: Path) -> list[str | dict[str, Any]]:
    """Return the poses. Raises click.BadParameter, which says where the file is wrong."""
    name = click.format_filename(file)
    try:
        with file.open("rb") as opened:
            data = opened.read(LARGEST_BYTES + 1)
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise _wrong(f"{name} is not UTF-8: {error}") from error
    except OSError as error:
        raise _wrong(f"{name} cannot be read: {error.strerror}") from error
    if len(data) > LARGEST_BYTES:
        raise _wrong(f"{name} is larger than {LARGEST_BYTES >> 20} MiB")
    content = _json(name, text) if text.lstrip().startswith(("{", "[")) else _yaml(name, text)
    poses = content.get("poses") if isinstance(content, dict) and content.keys() == {"poses"} else content
    if not isinstance(poses, list) or not poses:
        raise _wrong(f"{name} must be a list of poses or `poses: [...]`")
    for number, pose in enumerate(poses):
        if not isinstance(pose, str | dict):
            raise _wrong(f"{name}: pose {number} must be a prompt or a layer")
    return poses


def _json(name: str, text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        why = "nested too deeply" if isinstance(error, RecursionError) else str(error)
        raise _wrong(f"{name} is not JSON: {why}") from error


def _yaml(name: str, text: str) -> Any:
    try:
        import yaml
    except ImportError as error:
        raise _wrong(f"{name}: YAML needs PyYAML (pip install pyyaml); or use JSON") from error
    try:
        return yaml.safe_load(text)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise _wrong(f"{name} is not YAML: {' '.join(str(error).split())[:200]}") from error


def _wrong(message: str) -> click.BadParameter:
    return click.BadParameter(message, param_hint="--poses")
