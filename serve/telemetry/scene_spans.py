"""The spans of a scene: one for each layer, with its stages, and one for the merger.

They are made at the edge, from the start time of each call and the timings that replicas return, so replicas
need no collector. They contain none of the caller's text: no prompt, and only the class of an error.
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
    """Record the block as a span.

    Only the class of an error is recorded, since its message may contain prompts.
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
    """Record one layer, from the call to its pixels. Pass the finished layer to the yielded function."""
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
    """Record one call of the merger. Pass its result to the yielded function."""
    began_ns = time.time_ns()
    with spanning("merger", {REQUEST_ID: request_id}) as span:

        def made(result: object) -> None:
            if span.is_recording() and isinstance(result, MergeResult):
                span.set_attribute("scenewright.merge_mode", result.mode)
                span.set_attribute("scenewright.confidence", result.confidence)
                _stages({"merge": result.merge_ms, "output": result.output_ms}, began_ns)

        yield made


def note_loss(losses: int) -> None:
    """Record that the current call lost its replica and may be retried."""
    trace.get_current_span().add_event("replica lost", {"scenewright.losses": losses})


def _stages(took_ms: Mapping[str, float], began_ns: int) -> None:
    """Record the stages one after the other, the last ending now.

    The time before the first stage is the wait for a free replica.
    """
    tracer = trace.get_tracer("scenewright")
    at_ns = max(began_ns, time.time_ns() - round(sum(took_ms.values()) * NS_PER_MS))
    for name, ms in took_ms.items():
        span = tracer.start_span(name, start_time=at_ns)
        at_ns += round(ms * NS_PER_MS)
        span.end(at_ns)
