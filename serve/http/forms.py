"""Parse multipart forms with Starlette's parser, and bound their bytes, parts and time as they arrive."""

from __future__ import annotations

import hashlib
import re
from collections import defaultdict
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

from fastapi import Request
from python_multipart.multipart import parse_options_header
from starlette.datastructures import FormData, Headers, UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser

from deployments.errors import InvalidRequest

from ..config.request_limits import Limits
from .body import bounded, in_time
from .error_responses import MAX_ECHO_CHARS, Refusal
from .strict_json import digest_of

PICTURES = ("image/png", "image/x-png", "image/jpeg", "image/jpg", "image/pjpeg", "image/webp")
ANYTHING = ("", "application/octet-stream", "binary/octet-stream", "application/binary")
"""Media types of clients and stores that do not inspect the file. Its bytes show which format it has."""
NULL = b"null"
INDEX = re.compile(r"\[[0-9]{0,2}\]$")
MAX_TEXTS = 64
"""The most parts of a form that are not pictures, which is more than it has fields."""
MAX_TYPE_CHARS = 1_000
"""A boundary has at most 70. Parsing a Content-Type of 50,000 would hold up the other requests."""


@dataclass(frozen=True)
class Form:
    """`files` by field name, in the form's order; `options` is the text of the other field, or empty."""

    files: dict[str, tuple[bytes, ...]]
    options: bytes


@dataclass(frozen=True)
class Fields:
    """The files of a form by field name, in the form's order, and its texts."""

    files: dict[str, tuple[bytes, ...]]
    texts: dict[str, str]

    def digest(self) -> str:
        """Return a digest that is equal for forms with equal content."""
        hashes = {
            name: [hashlib.sha256(part).hexdigest() for part in parts] for name, parts in self.files.items()
        }
        return digest_of([hashes, self.texts])


async def read_form(
    request: Request, limits: Limits, pictures: Mapping[str, int], options: str | None = None
) -> Form:
    """Read one or more files of each of `pictures`, up to its number, and `options`, as a field or a file.

    Raises Refusal (408, 413, 415), and InvalidRequest for any other set of parts.
    """
    # Let the parser accept a few parts too many, so that they can be refused by name.
    async with _parsed(request, limits, 2 * (sum(pictures.values()) + 1)) as form:
        return await _sorted(form, limits, pictures, options)


async def read_fields(request: Request, limits: Limits, pictures: Mapping[str, int]) -> Fields:
    """Read the files of `pictures`, at most the given number of each, and every other part as text.

    Several files of a field are sent as `name`, `name[]` or `name[0]`. A part without a file name that is
    empty or holds `null` is left out. Raises Refusal (408, 413, 415), and InvalidRequest naming the part at
    fault.
    """
    async with _parsed(request, limits, sum(pictures.values()) + MAX_TEXTS) as form:
        files: dict[str, list[UploadFile]] = {name: [] for name in pictures}
        texts: dict[str, str] = {}
        left_bytes = limits.max_json_bytes
        for key, part in form.multi_items():
            assert isinstance(part, UploadFile)  # noqa: S101 (_Parser makes nothing else)
            name = INDEX.sub("", key)
            if name in pictures:
                if not await _is_left_out(part):
                    files[name].append(part)
                continue
            if key in texts:
                raise InvalidRequest(f"{_shown(key)} appears twice in the form", _shown(key))
            texts[key] = await _text(key, part, left_bytes, limits)
            left_bytes -= part.size or 0
        for name, parts in files.items():
            if len(parts) > pictures[name]:
                raise InvalidRequest(f"{name} appears more than {pictures[name]} times in the form", name)
        read = {name: await _pictures(name, parts) if parts else () for name, parts in files.items()}
        return Fields(read, texts)


@asynccontextmanager
async def _parsed(request: Request, limits: Limits, most_parts: int) -> AsyncGenerator[FormData, None]:
    """Parse a form, and close its parts at the end. Raises Refusal, and InvalidRequest if it is invalid."""
    declared = request.headers.get("content-type", "")
    kind, parameters = parse_options_header(declared if len(declared) <= MAX_TYPE_CHARS else "")
    if kind.lower() != b"multipart/form-data" or parameters.get(b"charset", b"utf-8").lower() != b"utf-8":
        raise Refusal(415, "unsupported_media_type", "send the body as Content-Type: multipart/form-data")
    parser = _Parser(
        Headers(raw=[(b"content-type", declared.encode("latin-1"))]),
        bounded(request, limits.max_upload_bytes),
        max_files=most_parts,
    )
    parser.spool_max_size = limits.max_upload_bytes  # Never spool to disk.
    try:
        async with in_time(limits.body_timeout_s):
            form = await parser.parse()
        yield form
    except MultiPartException as error:
        raise InvalidRequest(f"the body is not a valid form: {error.message}", "body") from None
    finally:
        parser.close()


class _Parser(MultiPartParser):
    """Starlette's parser, made to treat every part as a file: only the field name says what a part is."""

    def close(self) -> None:
        """Close all files, including those cut short by the end of the body."""
        for file in self._files_to_close_on_error:
            file.close()

    def on_headers_finished(self) -> None:
        """Give a part without a file name an empty one."""
        part = self._current_part
        if part.content_disposition is not None:
            _, options = parse_options_header(part.content_disposition)
            if b"filename" not in options:
                part.content_disposition = part.content_disposition.rstrip(b"; ") + b'; filename=""'
        super().on_headers_finished()


async def _sorted(form: FormData, limits: Limits, pictures: Mapping[str, int], options: str | None) -> Form:
    most = {**pictures, **({} if options is None else {options: 1})}
    parts: defaultdict[str, list[UploadFile]] = defaultdict(list)
    for name, part in form.multi_items():
        assert isinstance(part, UploadFile)  # noqa: S101 (_Parser makes nothing else)
        shown = _shown(name)
        if name not in most:
            raise InvalidRequest(f"{shown} is not a known field", shown)
        parts[name].append(part)
        if len(parts[name]) > most[name]:
            often = "twice" if most[name] == 1 else f"more than {most[name]} times"
            raise InvalidRequest(f"{shown} appears {often} in the form", shown)
    files = {name: await _pictures(name, parts[name]) for name in pictures}
    option_bytes = b"".join([await part.read(limits.max_json_bytes + 1) for part in parts[options or ""]])
    if len(option_bytes) > limits.max_json_bytes:
        raise Refusal(413, "payload_too_large", f"{options} is limited to {limits.max_json_bytes} bytes")
    return Form(files, option_bytes)


async def _pictures(name: str, parts: list[UploadFile]) -> tuple[bytes, ...]:
    if not parts:
        raise InvalidRequest(f"{name} is required", name)
    names = names_of(name, parts)
    return tuple([await _picture(each, part) for each, part in zip(names, parts, strict=True)])


def names_of(field: str, parts: Sequence[object]) -> list[str]:
    """Return the name of each file of a field, for use in refusals."""
    return [field] if len(parts) == 1 else [f"{field}.{index}" for index in range(len(parts))]


async def _picture(name: str, part: UploadFile) -> bytes:
    kind = (part.content_type or "").partition(";")[0].strip().lower()
    unnamed = not part.filename and kind == "text/plain"  # The default type of a part.
    if kind not in (*PICTURES, *ANYTHING) and not unnamed:
        raise Refusal(415, "unsupported_media_type", f"{name} must be a PNG, JPEG or WebP picture", name)
    return await part.read()


async def _is_left_out(part: UploadFile) -> bool:
    """Return whether a part is how a form expresses null."""
    if part.filename or (part.size or 0) > len(NULL):
        return False
    data = await part.read()
    await part.seek(0)
    return data in (b"", NULL)


async def _text(key: str, part: UploadFile, left_bytes: int, limits: Limits) -> str:
    data = await part.read(left_bytes + 1)
    if len(data) > left_bytes:
        message = f"the text fields of a form are limited to {limits.max_json_bytes} bytes in total"
        raise Refusal(413, "payload_too_large", message, _shown(key))
    try:
        return data.decode()
    except UnicodeDecodeError:
        raise InvalidRequest(f"{_shown(key)} is not UTF-8", _shown(key)) from None


def _shown(name: str) -> str:
    return name[:MAX_ECHO_CHARS].encode("ascii", "replace").decode()
