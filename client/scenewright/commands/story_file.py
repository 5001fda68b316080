"""Read the file of a story: YAML or JSON, with the fields of `POST /v1/stories`."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Hashable
from pathlib import Path
from typing import Any

import click

from .json_file import read_json

PICTURE_ID = re.compile("pic_[0-9a-f]{64}")
LARGEST_BYTES = 8 << 20
"""More than any service reads."""


def read_story_file(file: Path) -> dict[str, Any]:
    """Return a story's fields. Raises click.BadParameter, which says where the file is wrong."""
    name = click.format_filename(file)
    try:
        data = sys.stdin.buffer.read(LARGEST_BYTES + 1) if name == "-" else _read(file)
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise click.BadParameter(f"{name} is not UTF-8: {error}", param_hint="FILE") from error
    except OSError as error:
        raise click.BadParameter(f"{name} cannot be read: {error.strerror}", param_hint="FILE") from error
    if len(data) > LARGEST_BYTES:
        raise click.BadParameter(f"{name} is larger than {LARGEST_BYTES >> 20} MiB", param_hint="FILE")
    is_json = file.suffix.lower() == ".json" or text.lstrip().startswith("{")
    content = read_json(name, text) if is_json else _yaml(name, text)
    if not isinstance(content, dict) or not all(isinstance(each, str) for each in content):
        raise click.BadParameter(f"{name} must have fields, such as `title: …`", param_hint="FILE")
    return content


def pictures_beside(file: Path, request: dict[str, Any]) -> list[Path]:
    """Return the files in `pictures/` beside a story, as in book.zip, whose ids the story names."""
    named = sorted(set(PICTURE_ID.findall(json.dumps(request, default=str))))
    beside = [file.parent / "pictures" / f"{name}.png" for name in named]
    return [path for path in beside if path.is_file()]


def _read(file: Path) -> bytes:
    with file.open("rb") as opened:
        return opened.read(LARGEST_BYTES + 1)


def _yaml(name: str, text: str) -> Any:
    try:
        import yaml
    except ImportError as error:
        message = f"{name}: YAML needs PyYAML (pip install pyyaml); or use JSON"
        raise click.BadParameter(message, param_hint="FILE") from error

    class Strict(yaml.SafeLoader):
        """Refuse duplicate names, which would lose a value, and aliases, which may expand without end."""

        def compose_node(self, parent: Any, index: Any) -> Any:
            if self.check_event(yaml.events.AliasEvent):
                mark = self.peek_event().start_mark  # type: ignore[no-untyped-call]
                raise yaml.MarkedYAMLError(problem="aliases are not supported", problem_mark=mark)
            return super().compose_node(parent, index)

        def construct_mapping(self, node: Any, deep: bool = False) -> dict[Hashable, Any]:
            seen: set[str] = set()
            for key, _ in node.value:
                if key.value in seen:
                    problem = f"{key.value!r} is given twice"
                    raise yaml.MarkedYAMLError(problem=problem, problem_mark=key.start_mark)
                seen.add(key.value)
            return super().construct_mapping(node, deep)

    try:
        return yaml.load(text, Strict)  # noqa: S506 (a SafeLoader)  # nosec B506
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        where = f"line {mark.line + 1}: " if mark is not None else ""
        why = getattr(error, "problem", None) or (
            "nested too deeply" if isinstance(error, RecursionError) else error
        )
        raise click.BadParameter(f"{name} is not YAML: {where}{why}", param_hint="FILE") from error
