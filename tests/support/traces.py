"""Keep the traces of a test, every span that ended, in memory."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_ON, ParentBased


class Traces:
    def __init__(self) -> None:
        self._exporter = InMemorySpanExporter()
        self.provider = TracerProvider(sampler=ParentBased(ALWAYS_ON), shutdown_on_exit=False)
        self.provider.add_span_processor(SimpleSpanProcessor(self._exporter))

    def all(self) -> tuple[ReadableSpan, ...]:
        return self._exporter.get_finished_spans()

    def one(self, name: str) -> ReadableSpan:
        (span,) = (span for span in self.all() if span.name == name)
        return span

    def children(self, parent: ReadableSpan) -> list[str]:
        """Return the names of a span's children, in the order in which they began."""
        found = [span for span in self.all() if span.parent and span.parent.span_id == id_of(parent)]
        return [span.name for span in sorted(found, key=lambda span: span.start_time or 0)]

    def words(self) -> str:
        """Return the full text of all spans."""
        return "\n".join(span.to_json() for span in self.all())


def id_of(span: ReadableSpan) -> int:
    context = span.get_span_context()
    assert context is not None
    return context.span_id


def trace_of(span: ReadableSpan) -> str:
    context = span.get_span_context()
    assert context is not None
    return f"{context.trace_id:032x}"


@contextmanager
def recorded(monkeypatch: pytest.MonkeyPatch) -> Iterator[Traces]:
    """Record traces with a patched provider, since a process can set its provider only once."""
    traces = Traces()
    monkeypatch.setattr("opentelemetry.trace.get_tracer_provider", lambda: traces.provider)
    yield traces
    traces.provider.shutdown()
