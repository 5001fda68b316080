"""A scene on a real Ray is one trace, which the caller began, in a real collector."""

from __future__ import annotations

import httpx
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from tests.support.otlp_collector import Collector
from tests.support.polling import until
from tests.support.running_service import SCENE

CALLERS = "0af7651916cd43dd8448eb211c80319c"
PATHS = (
    "/scenes",
    *(f"/scenes/{kind}" for kind in ("character", "background", "merger")),
    *(
        f"/scenes/{kind}/{stage}"
        for kind in ("character", "background")
        for stage in ("queue", "encode", "denoise", "decode")
    ),
    *(f"/scenes/merger/{stage}" for stage in ("merge", "output")),
)


def test_a_scene_is_one_trace(http: httpx.Client, collector: Collector) -> None:
    until(lambda: http.get("/readyz").status_code == 200)
    headers = {"X-Request-ID": "story-7", "traceparent": f"00-{CALLERS}-b7ad6b7169203331-01"}
    words = {"character": "an unmistakable heron", "background": "an unmistakable harbour"}
    assert http.post("/v1/scenes", json=SCENE | words, headers=headers).status_code == 200
    until(lambda: len(ours(collector)) >= len(PATHS))
    spans = ours(collector)

    def path(span_id: bytes) -> str:
        span = spans.get(span_id)
        return "" if span is None else f"{path(span.parent_span_id)}/{span.name.removeprefix('POST /v1/')}"

    assert sorted(path(span_id) for span_id in spans) == sorted(PATHS)
    assert {span.trace_id.hex() for span in collector.received_spans() if "story-7" in str(span)} == {CALLERS}
    assert "unmistakable" not in str(collector.received)


def ours(collector: Collector) -> dict[bytes, Span]:
    """Return the spans of the caller's trace by id."""
    return {span.span_id: span for span in collector.received_spans() if span.trace_id.hex() == CALLERS}
