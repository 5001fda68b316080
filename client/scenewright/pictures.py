"""Find the picture files that a request's layers are painted from, and replace them by their uploads' ids."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from .errors import InvalidRequest, not_sent

File = bytes | str | Path
Change = Callable[[str, File], Any]
"""A function of a picture's path in the request and its file, which returns the replacement."""
PICTURES = ("image", "mask")
"""The fields of a layer that are pictures."""
REFERENCES, POSE = "references", "pose"
"""The fields of a layer that hold pictures: a list of them, and a pose's `image`."""
HOLDERS = ("character", "characters", "background", "scenes", "pages")
"""The fields of a request that hold layers, or scenes or pages with layers."""
DEEPEST = 5
"""The deepest nesting: a list of scenes, a scene, a list of characters, a character, its picture."""
LARGEST_BYTES = 16 << 20
"""The largest picture that a service reads, unless its operator sets another limit."""


def read_file(param: str, given: File, most: int = -1) -> bytes:
    """Return a file's bytes, at most `most` of them. Raises NotSent if it cannot be read."""
    if isinstance(given, bytes):
        return given
    try:
        with Path(given).open("rb") as file:
            return file.read(most)
    except OSError as error:
        why = f"the file {str(given)!r} cannot be read: {error.strerror}"
    except (TypeError, ValueError):
        why = "must be a file's bytes or its path"
    raise not_sent(f"{param}: {why}", param)


def read_picture(param: str, given: File) -> bytes:
    """Return the bytes of a picture to paint from. Raises NotSent, also for a file that is too large."""
    data = read_file(param, given, LARGEST_BYTES + 1)
    if len(data) > LARGEST_BYTES:
        which = "the picture" if isinstance(given, bytes) else f"the file {str(given)!r}"
        raise not_sent(f"{param}: {which} is larger than {LARGEST_BYTES >> 20} MiB", param)
    return data


def files_of(request: Mapping[str, Any]) -> dict[File, str]:
    """Return the files that a request's layers are painted from, each with its field's path.

    Raises NotSent, before any upload, if one of them cannot be read.
    """
    found: dict[File, str] = {}

    def note(param: str, given: File) -> File:
        if given not in found:
            read_picture(param, given)
            found[given] = param
        return given

    _changed(request, "", note)
    return found


def with_ids(request: Mapping[str, Any], ids: Mapping[File, str]) -> dict[str, Any]:
    """Return the request with the pictures' ids in place of their files."""
    changed = _changed(request, "", lambda param, given: {"id": ids[given]})
    return dict(changed)


@contextmanager
def named(param: str) -> Iterator[None]:
    """Name the request's field in the error for a refused picture, which the service calls `file`."""
    try:
        yield
    except InvalidRequest as error:
        if error.param == "file":
            error.param, error.message = param, error.message.replace("file ", f"{param} ", 1)
        raise


def _changed(value: Any, path: str, change: Change, depth: int = 0) -> Any:
    """Return `value` with the layers' picture files replaced by `change`, and all else unchanged."""
    if depth > DEEPEST:
        return value
    if isinstance(value, Sequence) and not isinstance(value, str | bytes | bytearray):
        return [_changed(each, f"{path}.{index}", change, depth + 1) for index, each in enumerate(value)]
    if not isinstance(value, Mapping):
        return value
    changed = dict(value)
    for name in (each for each in (*PICTURES, REFERENCES, POSE, *HOLDERS) if each in changed):
        item, where = changed[name], f"{path}.{name}" if path else name
        if name in HOLDERS:
            several = name == "character" and isinstance(item, list | tuple)
            changed[name] = _changed(item, f"{where}s" if several else where, change, depth + 1)
        elif name == REFERENCES and isinstance(item, list | tuple):
            changed[name] = [_picture(each, f"{where}.{at}", change) for at, each in enumerate(item)]
        elif name == POSE and isinstance(item, Mapping) and "image" in item:
            changed[name] = {**item, "image": _picture(item["image"], f"{where}.image", change)}
        elif name in PICTURES:
            changed[name] = _picture(item, where, change)
    return changed


def _picture(item: Any, where: str, change: Change) -> Any:
    if isinstance(item, bytes | Path):
        return change(where, item)
    if isinstance(item, str):  # A request may come from elsewhere, so text must not open a file.
        raise not_sent(f'{where} must be bytes, a pathlib.Path or {{"id": …}}, not a string', where)
    if isinstance(item, Mapping) and {"id", "expires_at"} <= item.keys():  # The result of an upload.
        return {"id": item["id"]}
    return item
