"""Pictures by their contents: the same bytes are kept once, under the name that is their SHA-256.

Who may drop one is decided in the database alone (loose_pictures.py): the clock of a file server is neither
ours nor the database's.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Protocol

from ..private_files import make_folder

UNFINISHED = ".unfinished"
TORN_AFTER_S = 3_600.0


class Pictures(Protocol):
    """All raise OSError."""

    def put(self, data: bytes) -> str: ...
    def get(self, name: str) -> bytes: ...
    def has(self, name: str) -> bool: ...
    def drop(self, name: str) -> None: ...
    def free_bytes(self) -> int | None: ...


def name_of(data: bytes) -> str:
    """What `put` will call it."""
    return hashlib.sha256(data).hexdigest()


def open_pictures(place: str) -> Pictures:
    """A folder of this machine, or whatever fsspec finds behind a URL. Raises OSError."""
    place = place.removeprefix("file://")
    return RemotePictures(place) if "://" in place else FolderPictures(Path(place))


class FolderPictures:
    """On this machine, and on its disk before `put` returns."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._unfinished = folder / UNFINISHED
        make_folder(self._unfinished)
        self._drop_torn()

    def put(self, data: bytes) -> str:
        name = name_of(data)
        path = self._path(name)
        if path.exists():
            return name
        make_folder(path.parent)
        descriptor, beside = tempfile.mkstemp(dir=self._unfinished)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            Path(beside).replace(path)
        except BaseException:
            Path(beside).unlink(missing_ok=True)
            raise
        for folder in (path.parent, self._folder):
            _sync(folder)
        return name

    def get(self, name: str) -> bytes:
        return self._path(name).read_bytes()

    def has(self, name: str) -> bool:
        return self._path(name).exists()

    def drop(self, name: str) -> None:
        self._path(name).unlink(missing_ok=True)

    def free_bytes(self) -> int | None:
        return shutil.disk_usage(self._folder).free

    def _drop_torn(self) -> None:
        """What processes that were killed had begun to write, by the clock of the file system itself."""
        with suppress(OSError), tempfile.NamedTemporaryFile(dir=self._unfinished) as new:
            now = os.fstat(new.fileno()).st_mtime
            for beside in self._unfinished.iterdir():
                if now - beside.stat().st_mtime > TORN_AFTER_S:
                    beside.unlink(missing_ok=True)

    def _path(self, name: str) -> Path:
        return self._folder / name[:2] / name


class RemotePictures:
    """Behind fsspec: `s3://` with the extra `s3`, and what else is installed. The bucket has to be there."""

    def __init__(self, url: str) -> None:
        from fsspec.core import url_to_fs

        with _any_error_as_oserror():
            files, root = url_to_fs(url)
        self._files: Any = files
        self._root = str(root).rstrip("/")

    def put(self, data: bytes) -> str:
        name = name_of(data)
        with _any_error_as_oserror():
            try:
                self._files.pipe_file(self._path(name), data)
            except FileNotFoundError:
                # Only in stores that have folders. S3 makes a bucket that is not there, if asked for parents.
                with suppress(FileExistsError):
                    self._files.mkdir(f"{self._root}/{name[:2]}", create_parents=False)
                self._files.pipe_file(self._path(name), data)
        return name

    def get(self, name: str) -> bytes:
        with _any_error_as_oserror():
            data: bytes = self._files.cat_file(self._path(name))
        return data

    def has(self, name: str) -> bool:
        with _any_error_as_oserror():
            self._files.invalidate_cache(self._path(name))
            return bool(self._files.exists(self._path(name)))

    def drop(self, name: str) -> None:
        with _any_error_as_oserror(), suppress(FileNotFoundError):
            self._files.rm_file(self._path(name))

    def free_bytes(self) -> int | None:
        return None

    def _path(self, name: str) -> str:
        return f"{self._root}/{name[:2]}/{name}"


@contextmanager
def _any_error_as_oserror() -> Iterator[None]:
    """botocore has errors of its own for a server that is gone or keys that are not there, and fsspec raises
    others for a kind of store that it does not know or that is not installed."""
    try:
        yield
    except OSError:
        raise
    except Exception as error:
        raise OSError(f"{type(error).__name__}: {error}") from error


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
