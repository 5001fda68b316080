"""Limit the files of books: the bytes of each, the bytes of all, and the time to make one."""

from __future__ import annotations

import errno
import io
import shutil
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Event, RLock
from typing import BinaryIO, cast

from deployments.errors import DeadlineExceeded, InvalidRequest, NotReady, Overloaded

LONGEST_S = 300.0
"""The time limit for making a book."""
MOST_BYTES = 2 << 30
"""The most bytes of a book, including the files that are read for it."""
MOST_OPEN_BYTES = 4 << 30
"""The most bytes of all books that this process makes and sends. A tenant may have half of them."""
MOST_SENT_BYTES = 512 << 20
"""The most bytes of all books that this process sends, which Ray Serve's proxy holds until they are read. A
tenant may have half of them. A larger book is sent if the tenant has no other."""
LEAST_FREE_BYTES = 64 << 20
"""The bytes to keep free on the disk of temporary files, which need not be the disk of the jobs."""
RETRY_AFTER_S = 30.0
BUSY = "too many books are being made and sent; try again shortly"
OWN_BUSY = "too many of your books are being made and sent; try again shortly"


@dataclass
class BookFile:
    """An open file that has already been deleted. Its bytes count until it is closed."""

    file: BinaryIO
    size: int
    media_type: str


class BookFiles:
    """Count the files of all books that are being made and sent. Its methods are thread-safe."""

    def __init__(self) -> None:
        self._bytes: Counter[str] = Counter()
        self._sent: Counter[str] = Counter()
        self._lock = RLock()  # The garbage collector may close a file while another is counted.

    @contextmanager
    def making(self, owner: str, name: str, left: Event) -> Iterator[Making]:
        """Yield a book to be made, in a temporary folder. `left` is set once its caller has left."""
        folder = Path(tempfile.mkdtemp(prefix="scenewright-book-"))
        making = Making(self, owner, folder, name, left)
        try:
            yield making
        finally:
            shutil.rmtree(folder, ignore_errors=True)
            self.give_back(owner, making.bytes)

    def count(self, owner: str, more_bytes: int) -> None:
        """Count more bytes of a tenant's books. Raises Overloaded."""
        with self._lock:
            if self._bytes[owner] + more_bytes > MOST_OPEN_BYTES // 2:
                raise Overloaded(OWN_BUSY, retry_after_s=RETRY_AFTER_S)
            if self._bytes.total() + more_bytes > MOST_OPEN_BYTES:
                raise Overloaded(BUSY, retry_after_s=RETRY_AFTER_S)
            self._bytes[owner] += more_bytes

    def send(self, owner: str, size: int) -> None:
        """Count a book that is about to be sent. Raises Overloaded."""
        with self._lock:
            own, others = self._sent[owner], self._sent.total() - self._sent[owner]
            if own and own + size > MOST_SENT_BYTES // 2:
                raise Overloaded(OWN_BUSY, retry_after_s=RETRY_AFTER_S)
            if others and own + others + size > MOST_SENT_BYTES:
                raise Overloaded(BUSY, retry_after_s=RETRY_AFTER_S)
            self._sent[owner] += size

    def give_back(self, owner: str, less_bytes: int) -> None:
        """Stop counting some bytes of a tenant's books."""
        _less(self._bytes, owner, less_bytes, self._lock)

    def taken(self, owner: str, size: int) -> None:
        """Stop counting a sent book: its reader has it, or has left."""
        _less(self._sent, owner, size, self._lock)
        self.give_back(owner, size)


def _less(counted: Counter[str], owner: str, fewer: int, lock: AbstractContextManager[bool]) -> None:
    with lock:
        counted[owner] -= fewer
        if not counted[owner]:
            del counted[owner]


class Making:
    """A book that is being made."""

    def __init__(self, files: BookFiles, owner: str, folder: Path, name: str, left: Event) -> None:
        self.folder, self.file = folder, folder / name
        self.bytes = 0
        self._files, self._owner, self._left = files, owner, left
        self._written = 0
        self._until = time.monotonic() + LONGEST_S

    def between(self) -> None:
        """Count what was written and check the limits, between two pages.

        Raises InvalidRequest if the book is too large, Overloaded, DeadlineExceeded, OSError if the disk is
        full, and NotReady if nobody waits for the book any more.
        """
        if self._left.is_set():
            raise NotReady("the caller that requested this book has left")
        if time.monotonic() > self._until:
            raise DeadlineExceeded(f"making this book takes longer than {LONGEST_S:g} s")
        size = self.file.stat().st_size if self.file.exists() else 0
        self._count(size - self._written)
        self._written = size
        check_disk(self.folder, 0)

    def add(self, name: str, data: bytes) -> Path:
        """Write an input file of the book into its folder. Raises what `between` raises."""
        self.between()
        self._count(len(data))
        check_disk(self.folder, len(data))
        path = self.folder / name
        path.write_bytes(data)
        return path

    def opened(self, media_type: str) -> BookFile:
        """Return the finished book, open. Raises what `between` raises."""
        self.between()
        self._files.send(self._owner, self._written)
        file = _Counted(self.file, self._files, self._owner, self._written)
        self.bytes -= self._written
        return BookFile(cast(BinaryIO, file), self._written, media_type)

    def _count(self, more_bytes: int) -> None:
        if self.bytes + more_bytes > MOST_BYTES:
            message = f"this book would take more than {MOST_BYTES} bytes: fetch its pages one by one"
            raise InvalidRequest(message, "story_id")
        self._files.count(self._owner, more_bytes)
        self.bytes += more_bytes


class _Counted(io.FileIO):
    """An open file. Its bytes are given back when it is closed, or dropped because its reader has left."""

    def __init__(self, path: Path, files: BookFiles, owner: str, size: int) -> None:
        self._files, self._owner, self._size = files, owner, size
        super().__init__(path, "rb")

    def close(self) -> None:
        size, self._size = self._size, 0
        self._files.taken(self._owner, size)
        super().close()

    def __del__(self) -> None:
        self.close()


def check_disk(folder: Path, more_bytes: int) -> None:
    """Raise the OSError of a full disk if the folder's disk would be nearly full."""
    if shutil.disk_usage(folder).free - more_bytes < LEAST_FREE_BYTES:
        raise OSError(errno.ENOSPC, "the disk on which books are made is nearly full")
