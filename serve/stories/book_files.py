"""Bound the files of books: the bytes of each and of all, and the time in which one is made."""

from __future__ import annotations

import io
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Event, Lock
from typing import BinaryIO, cast

from deployments.errors import DeadlineExceeded, InvalidRequest, NotReady, Overloaded

LONGEST_S = 300.0
"""The time in which a book has to be made."""
MOST_BYTES = 2 << 30
"""Bytes of a book, with what is read for it."""
MOST_OPEN_BYTES = 4 << 30
"""Bytes of all books that this process makes and sends."""
RETRY_AFTER_S = 30.0
BUSY = "too many books are being made and sent; come back shortly"


@dataclass
class BookFile:
    """An open file, which has no name any more. Its bytes count until it is closed."""

    file: BinaryIO
    size: int
    media_type: str


class BookFiles:
    """The files of all books that are made and sent. Its methods are for threads."""

    def __init__(self) -> None:
        self._bytes = 0
        self._lock = Lock()

    @contextmanager
    def making(self, name: str, left: Event) -> Iterator[Making]:
        """Yield a book to be made, in a folder that is gone afterwards. `left`: set when its caller is."""
        folder = Path(tempfile.mkdtemp(prefix="scenewright-book-"))
        making = Making(self, folder, name, left)
        try:
            yield making
        finally:
            shutil.rmtree(folder, ignore_errors=True)
            self.give_back(making.bytes)

    def count(self, more_bytes: int) -> None:
        """Count bytes of a book. Raises Overloaded."""
        with self._lock:
            if self._bytes + more_bytes > MOST_OPEN_BYTES:
                raise Overloaded(BUSY, retry_after_s=RETRY_AFTER_S)
            self._bytes += more_bytes

    def give_back(self, less_bytes: int) -> None:
        with self._lock:
            self._bytes -= less_bytes


class Making:
    """A book while it is made."""

    def __init__(self, files: BookFiles, folder: Path, name: str, left: Event) -> None:
        self.folder, self.file = folder, folder / name
        self.bytes = 0
        self._files, self._left = files, left
        self._written = 0
        self._until = time.monotonic() + LONGEST_S

    def between(self) -> None:
        """Count what was written, between two pages.

        Raises InvalidRequest for too large a book, Overloaded, DeadlineExceeded, and NotReady where nobody
        waits for it any more.
        """
        if self._left.is_set():
            raise NotReady("nobody waits for this book any more")
        if time.monotonic() > self._until:
            raise DeadlineExceeded(f"this book takes longer than {LONGEST_S:g} s to make")
        size = self.file.stat().st_size if self.file.exists() else 0
        self._count(size - self._written)
        self._written = size

    def add(self, name: str, data: bytes) -> Path:
        """Write a file that the book is made of into its folder. Raises what `between` raises."""
        self.between()
        self._count(len(data))
        path = self.folder / name
        path.write_bytes(data)
        return path

    def opened(self, media_type: str) -> BookFile:
        """Return the book that was made. Raises what `between` raises."""
        self.between()
        file = _Counted(self.file, self._files, self._written)
        self.bytes -= self._written
        return BookFile(cast(BinaryIO, file), self._written, media_type)

    def _count(self, more_bytes: int) -> None:
        if self.bytes + more_bytes > MOST_BYTES:
            message = f"this book would take more than {MOST_BYTES} bytes: fetch its pages one by one"
            raise InvalidRequest(message, "story_id")
        self._files.count(more_bytes)
        self.bytes += more_bytes


class _Counted(io.FileIO):
    """An open file. Its bytes are given back when it is closed, or dropped since its reader has left."""

    def __init__(self, path: Path, files: BookFiles, size: int) -> None:
        self._files, self._size = files, size
        super().__init__(path, "rb")

    def close(self) -> None:
        size, self._size = self._size, 0
        self._files.give_back(size)
        super().close()

    def __del__(self) -> None:
        self.close()
