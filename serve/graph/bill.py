"""Keep a bill of what one request had painted: its usage, and the layers that ended without a response.

A bill belongs to the context in which it was opened, so tasks created in that context add to it too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field

from deployments.messages import LayerJob, LayerResult, Usage


@dataclass(frozen=True)
class Used:
    """The number of painted pictures, and the usage of painting them."""

    pictures: int = 0
    took: Usage = field(default_factory=Usage)

    def __add__(self, other: Used) -> Used:
        return Used(self.pictures + other.pictures, self.took + other.took)


@dataclass
class Bill:
    """`open`: the layers without a response, each as (request id, path)."""

    usage: Usage = field(default_factory=Usage)
    pictures: int = 0
    open: set[tuple[str, str]] = field(default_factory=set)

    def taken_off(self) -> Bill:
        """Take the usage and the pictures off this bill, and return them as a new one."""
        taken = Bill(self.usage, self.pictures)
        self.usage, self.pictures = Usage(), 0
        return taken


_bill: ContextVar[Bill | None] = ContextVar("bill", default=None)


@contextmanager
def billing(bill: Bill) -> Iterator[None]:
    """Add the work done inside the block to a bill. If the block fails, the bill counts no pictures."""
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
    """Add one layer to the current bill, if any. Pass the finished layer to the yielded function."""
    bill, this = _bill.get(), (job.request_id, job.path)
    if bill is not None:
        bill.open.add(this)

    def painted(layer: LayerResult) -> None:
        if bill is not None:
            bill.usage += layer.usage
            bill.open.discard(this)

    yield painted


def count_picture() -> None:
    """Add one finished picture to the current bill, if any."""
    if bill := _bill.get():
        bill.pictures += 1


def usage_of(layers: Iterable[LayerResult]) -> Usage:
    """Return the total usage of the layers."""
    return sum((layer.usage for layer in layers), Usage())
