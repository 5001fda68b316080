"""The spans of a scene: a branch for each layer with its stages, and the merger's part.

They are made at the edge, of when a call began and of the timings that replicas send back, so that replicas
need no collector. Nothing in them is the caller's own words: no prompt, and of a fault its class alone.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import Span, SpanKind, StatusCode
from opentelemetry.util.types import AttributeValue

from deployments.messages import LayerJob, LayerResult, MergeResult

NS_PER_MS = 1_000_000
REQUEST_ID = "scenewright.request_id"


@contextmanager
def spanning(
    name: str,
    attributes: Mapping[str, AttributeValue],
    context: Context | None = None,
    kind: SpanKind = SpanKind.INTERNAL,
) -> Iterator[Span]:
    """Make a span of the block.

    A fault is recorded by its class, since its message may hold prompts.
    """
    tracer = trace.get_tracer("scenewright")
    with tracer.start_as_current_span(
        name, context, kind, attributes, record_exception=False, set_status_on_exception=False
    ) as span:
        try:
            yield span
        except BaseException as error:
            span.set_attribute("error.type", type(getattr(error, "cause", None) or error).__name__)
            span.set_status(StatusCode.ERROR)
            raise


@contextmanager
def branch(job: LayerJob) -> Iterator[Callable[[LayerResult], None]]:
    """Record one layer, from the call to its pixels. The layer itself is given at the end."""
    attributes: dict[str, AttributeValue] = {
        REQUEST_ID: job.request_id,
        "scenewright.width_px": job.width_px,
        "scenewright.height_px": job.height_px,
        "scenewright.steps": job.num_inference_steps,
    }
    if job.figure is not None:
        attributes["scenewright.figure"] = job.figure
    began_ns = time.time_ns()
    with spanning(job.kind, attributes) as span:

        def painted(layer: LayerResult) -> None:
            if not span.is_recording():
                return
            span.set_attribute("scenewright.model", layer.model)
            span.set_attribute("scenewright.backend", layer.backend)
            span.set_attribute("scenewright.cached", layer.cached)
            span.set_attribute("scenewright.degraded", len(layer.degraded))
            timings = layer.timings
            stages = {
                "queue": timings.queue_ms,
                "encode": timings.encode_ms,
                "denoise": timings.denoise_ms,
                "decode": timings.decode_ms,
            }
            if not layer.cached:
                _stages(stages, began_ns)

        yield painted


@contextmanager
def finishing(request_id: str) -> Iterator[Callable[[object], None]]:
    """Record one call of the merger's replicas. What it made is given at the end."""
    began_ns = time.time_ns()
    with spanning("merger", {REQUEST_ID: request_id}) as span:

        def made(result: object) -> None:
            if span.is_recording() and isinstance(result, MergeResult):
                span.set_attribute("scenewright.merge_mode", result.mode)
                span.set_attribute("scenewright.confidence", result.confidence)
                _stages({"merge": result.merge_ms, "output": result.output_ms}, began_ns)

        yield made


def note_loss(losses: int) -> None:
    """Record that the call under way has lost its replica, and is made again."""
    trace.get_current_span().add_event("replica lost", {"scenewright.losses": losses})


def _stages(took_ms: Mapping[str, float], began_ns: int) -> None:
    """Record the stages one after the other up to now.

    Before the first lies the wait for a replica that is free.
    """
    tracer = trace.get_tracer("scenewright")
    at_ns = max(began_ns, time.time_ns() - round(sum(took_ms.values()) * NS_PER_MS))
    for name, ms in took_ms.items():
        span = tracer.start_span(name, start_time=at_ns)
        at_ns += round(ms * NS_PER_MS)
        span.end(at_ns)
