"""Store picture files by their contents: the same bytes are kept once, named by their SHA-256.

A file whose bytes do not match its name is never returned: disks lose, truncate and corrupt files.

Only the database decides who may drop a file (loose_pictures.py): the clock of a file server is neither ours
nor the database's.
"""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO, Protocol

from ..state.private_files import make_folder

UNFINISHED = ".unfinished"
TORN_AFTER_S = 3_600.0
MOST_BYTES = 512 << 20
"""No kept file is larger. A damaged file may be, so it is not read into memory."""
LOST = (errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.ELOOP, errno.ENXIO, errno.EIO, errno.EBADMSG)
"""The operating system's errors for a file that is gone, or that its disk can no longer read."""


class Damaged(OSError):
    """A kept picture is no longer what was written: `how` says in a word or two what was found instead."""

    def __init__(self, name: str, how: str) -> None:
        super().__init__(f"the kept picture {name} is {how}")
        self.how = how


class Pictures(Protocol):
    """Store of pictures. Methods raise OSError; `get` raises Damaged for wrong bytes, which `put` repairs."""

    def put(self, data: bytes) -> str: ...
    def get(self, name: str) -> bytes: ...
    def has(self, name: str) -> bool: ...
    def drop(self, name: str) -> None: ...


def name_of(data: bytes) -> str:
    """Return the name that `put` gives these bytes."""
    return hashlib.sha256(data).hexdigest()


def intact(name: str, data: bytes) -> bytes:
    """Return the bytes of a kept picture. Raises Damaged if they do not match its name."""
    if name_of(data) != name:
        raise Damaged(name, "corrupt" if data else "empty")
    return data


def open_pictures(place: str) -> Pictures:
    """Open a local folder, or the store that fsspec finds behind a URL. Raises OSError."""
    place = place.removeprefix("file://")
    return RemotePictures(place) if "://" in place else FolderPictures(Path(place))


class FolderPictures:
    """Pictures in a local folder. They are synced to its disk before `put` returns."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._unfinished = folder / UNFINISHED
        make_folder(self._unfinished)
        self._drop_torn()

    def put(self, data: bytes) -> str:
        name = name_of(data)
        path = self._path(name)
        if self._has_intact(name):
            return name
        make_folder(path.parent)
        descriptor, beside = tempfile.mkstemp(dir=self._unfinished)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            if path.is_dir():
                _remove(path)
            Path(beside).replace(path)
        except BaseException:
            Path(beside).unlink(missing_ok=True)
            raise
        for folder in (path.parent, self._folder):
            _sync(folder)
        return name

    def get(self, name: str) -> bytes:
        try:
            # If there is a pipe in its place, opening that must not wait for a writer.
            descriptor = os.open(self._path(name), os.O_RDONLY | os.O_NONBLOCK)
            with os.fdopen(descriptor, "rb") as file:
                data = _bounded(name, file)
        except OSError as error:
            # Without this folder the whole store is gone (an unmounted disk): no picture is damaged.
            if error.errno in LOST and self._unfinished.is_dir():
                raise Damaged(name, "missing" if error.errno == errno.ENOENT else "unreadable") from error
            raise
        return intact(name, data)

    def has(self, name: str) -> bool:
        return self._path(name).exists()

    def drop(self, name: str) -> None:
        _remove(self._path(name))

    def _has_intact(self, name: str) -> bool:
        try:
            self.get(name)
        except Damaged:
            return False
        return True

    def _drop_torn(self) -> None:
        """Remove files that killed processes left unfinished, by the file system's own clock."""
        with suppress(OSError), tempfile.NamedTemporaryFile(dir=self._unfinished) as new:
            now = os.fstat(new.fileno()).st_mtime
            for beside in self._unfinished.iterdir():
                if now - beside.stat().st_mtime > TORN_AFTER_S:
                    beside.unlink(missing_ok=True)

    def _path(self, name: str) -> Path:
        return self._folder / name[:2] / name


class RemotePictures:
    """Pictures in a store of fsspec: `s3://` with the extra `s3`, and others. The bucket must exist."""

    def __init__(self, url: str) -> None:
        from fsspec.core import url_to_fs

        with _any_error_as_oserror():
            files, root = url_to_fs(url)
        self._files: Any = files
        self._root = str(root).rstrip("/")
        self._top = self._root[: self._root.find("/", 1)] if "/" in self._root[1:] else self._root
        """The bucket, or the first folder in stores without buckets."""

    def put(self, data: bytes) -> str:
        name = name_of(data)
        with _any_error_as_oserror():
            try:
                self._files.pipe_file(self._path(name), data)
            except FileNotFoundError:
                # Only stores with folders raise this. S3 would make a missing bucket with create_parents.
                with suppress(FileExistsError):
                    self._files.mkdir(f"{self._root}/{name[:2]}", create_parents=False)
                self._files.pipe_file(self._path(name), data)
        return name

    def get(self, name: str) -> bytes:
        with _any_error_as_oserror():
            try:
                size = self._files.info(self._path(name))["size"] or 0
                if size > MOST_BYTES:
                    raise Damaged(name, "corrupt")
                data: bytes = self._files.cat_file(self._path(name))
            except (FileNotFoundError, IsADirectoryError) as error:
                if not self._files.exists(self._top):
                    raise  # The whole store is gone: no picture is damaged.
                raise Damaged(name, "missing") from error
        return intact(name, data)

    def has(self, name: str) -> bool:
        with _any_error_as_oserror():
            self._files.invalidate_cache(self._path(name))
            return bool(self._files.exists(self._path(name)))

    def drop(self, name: str) -> None:
        with _any_error_as_oserror(), suppress(FileNotFoundError):
            self._files.rm_file(self._path(name))

    def _path(self, name: str) -> str:
        return f"{self._root}/{name[:2]}/{name}"


@contextmanager
def _any_error_as_oserror() -> Iterator[None]:
    """Convert all errors to OSError.

    botocore raises its own for a server that is gone or for missing keys, and fsspec raises others for a kind
    of store that it does not know or that is not installed.
    """
    try:
        yield
    except OSError:
        raise
    except Exception as error:
        raise OSError(f"{type(error).__name__}: {error}") from error


def _bounded(name: str, file: BinaryIO) -> bytes:
    """Return the bytes of a kept file. Raises Damaged if its kind or size shows that we did not write it."""
    found = os.fstat(file.fileno())
    if not stat.S_ISREG(found.st_mode) or found.st_size > MOST_BYTES:
        raise Damaged(name, "corrupt")
    return file.read(found.st_size + 1)


def _remove(path: Path) -> None:
    """Remove the file or folder in a picture's place."""
    try:
        path.unlink(missing_ok=True)
    except IsADirectoryError:
        shutil.rmtree(path)


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
