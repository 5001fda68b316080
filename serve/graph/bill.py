"""Note what one request has had painted, in whichever tasks of it: what was taken, and what has no answer.

A bill belongs to the context in which it was opened, so the tasks that are made in it write on it too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field

from deployments.messages import LayerJob, LayerResult, Usage


@dataclass(frozen=True)
class Used:
    """Usage: painted pictures, and what painting took."""

    pictures: int = 0
    took: Usage = field(default_factory=Usage)

    def __add__(self, other: Used) -> Used:
        return Used(self.pictures + other.pictures, self.took + other.took)


@dataclass
class Bill:
    """`open`: the layers, each by its request and path, whose painting ended without an answer."""

    usage: Usage = field(default_factory=Usage)
    pictures: int = 0
    open: set[tuple[str, str]] = field(default_factory=set)

    def taken_off(self) -> Bill:
        """Take off what was painted, and return it."""
        taken = Bill(self.usage, self.pictures)
        self.usage, self.pictures = Usage(), 0
        return taken


_bill: ContextVar[Bill | None] = ContextVar("bill", default=None)


@contextmanager
def billing(bill: Bill) -> Iterator[None]:
    """Write on a bill what is painted inside of the block. Where that fails no picture is on it."""
    token = _bill.set(bill)
    try:
        yield
    except BaseException:
        bill.pictures = 0
        raise
    finally:
        _bill.reset(token)


@contextmanager
def billed(job: LayerJob) -> Iterator[Callable[[LayerResult], None]]:
    """Write one layer on the bill, if there is one. The layer itself is given at the end."""
    bill, this = _bill.get(), (job.request_id, job.path)
    if bill is not None:
        bill.open.add(this)

    def painted(layer: LayerResult) -> None:
        if bill is not None:
            bill.usage += layer.usage
            bill.open.discard(this)

    yield painted


def count_picture() -> None:
    """Write one finished picture on the bill, if there is one."""
    if bill := _bill.get():
        bill.pictures += 1


def usage_of(layers: Iterable[LayerResult]) -> Usage:
    """Return what the layers took together."""
    return sum((layer.usage for layer in layers), Usage())
