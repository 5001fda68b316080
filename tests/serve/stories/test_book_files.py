"""The files of books: limited in bytes and in time, and removed afterwards."""

from __future__ import annotations

from threading import Event

import pytest

from deployments.errors import DeadlineExceeded, InvalidRequest, NotReady, Overloaded
from serve.state.disk_space import is_full
from serve.stories import book_files
from serve.stories.book_files import BookFile, BookFiles


def made(files: BookFiles, data: bytes, owner: str = "ada") -> BookFile:
    with files.making(owner, "book.zip", Event()) as making:
        part = making.add("page-0", b"picture")
        assert part.read_bytes() == b"picture"
        making.file.write_bytes(data)
        book = making.opened("application/zip")
    assert not making.folder.exists()
    return book


def test_a_book_is_read_when_its_folder_is_gone() -> None:
    book = made(BookFiles(), b"book")
    assert (book.file.read(), book.size, book.media_type) == (b"book", 4, "application/zip")
    book.file.close()


def test_a_book_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(book_files, "MOST_BYTES", 10)
    with pytest.raises(InvalidRequest, match="more than 10 bytes"):
        made(BookFiles(), b"book")
    with BookFiles().making("ada", "book.zip", Event()) as making:
        making.file.write_bytes(b"a" * 11)
        with pytest.raises(InvalidRequest, match="more than 10 bytes"):
            making.between()


@pytest.mark.parametrize("how", ["closed", "dropped"])
def test_all_books_are_bounded_until_they_are_sent(monkeypatch: pytest.MonkeyPatch, how: str) -> None:
    monkeypatch.setattr(book_files, "MOST_OPEN_BYTES", 24)
    files = BookFiles()
    first = made(files, b"book!")
    for _ in range(2):
        with pytest.raises(Overloaded, match="your books"):
            made(files, b"book!")
    others = made(files, b"book!", "bob"), made(files, b"book", "eve")
    with pytest.raises(Overloaded, match="too many books"):
        made(files, b"book!", "zoe")
    for other in others:
        other.file.close()
    if how == "closed":
        first.file.close()
        first.file.close()
    else:
        del first
    for _ in range(3):
        made(files, b"book!").file.close()


def test_a_book_has_its_time_and_its_reader(monkeypatch: pytest.MonkeyPatch) -> None:
    left = Event()
    with BookFiles().making("ada", "book.pdf", left) as making:
        making.between()
        left.set()
        with pytest.raises(NotReady):
            making.between()
    monkeypatch.setattr(book_files, "LONGEST_S", -1.0)
    with BookFiles().making("ada", "book.pdf", Event()) as making, pytest.raises(DeadlineExceeded):
        making.add("page-0", b"picture")


def test_a_book_leaves_room_on_the_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """A full disk gives a 507, as everywhere that something is stored (serve/pictures/in_thread.py)."""
    monkeypatch.setattr(book_files, "LEAST_FREE_BYTES", 1 << 62)
    with BookFiles().making("ada", "book.pdf", Event()) as making:
        for work in (making.between, lambda: making.add("page-0", b"picture")):
            with pytest.raises(OSError, match="nearly full") as raised:
                work()
            assert is_full(raised.value)


def test_a_tenant_has_one_large_book_sent_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(book_files, "MOST_SENT_BYTES", 16)
    files = BookFiles()
    large = made(files, b"a book of its own")
    with pytest.raises(Overloaded, match="your books"):
        made(files, b"b")
    with pytest.raises(Overloaded, match="too many books"):
        made(files, b"b", "bob")
    large.file.close()
    small = [made(files, b"book", "bob") for _ in range(2)]
    with pytest.raises(Overloaded, match="your books"):
        made(files, b"b", "bob")
    other = made(files, b"booklet!", "ada")
    with pytest.raises(Overloaded, match="too many books"):
        made(files, b"b", "eve")
    for each in (*small, other):
        each.file.close()
    made(files, b"a book of its own").file.close()
