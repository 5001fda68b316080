"""A scene on a real Ray is one trace, of a caller that began it, in a real collector."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from serve import local_cluster
from serve.tracing import TracingConfig

from ..otlp_collector import Collector, collecting
from ..polling import until
from .conftest import simulated_config
from .test_service import SCENE

CALLERS = "0af7651916cd43dd8448eb211c80319c"


@pytest.fixture(scope="module")
def collector() -> Iterator[Collector]:
    with collecting() as collector:
        yield collector


@pytest.fixture(scope="module")
def url(collector: Collector) -> Iterator[str]:
    config = simulated_config().model_copy(update={"tracing": TracingConfig(collector.url)})
    with local_cluster.running(config, "127.0.0.1", local_cluster.free_port()) as address:
        yield address


def test_a_scene_is_one_trace(http: httpx.Client, collector: Collector) -> None:
    until(lambda: http.get("/readyz").status_code == 200)
    headers = {"X-Request-ID": "story-7", "traceparent": f"00-{CALLERS}-b7ad6b7169203331-01"}
    words = {"character": "an unmistakable heron", "background": "an unmistakable harbour"}
    assert http.post("/v1/scenes", json=SCENE | words, headers=headers).status_code == 200
    until(lambda: "POST /v1/scenes" in [span.name for span in collector.spans()])
    spans = {span.span_id: span for span in collector.spans()}
    assert {span.trace_id.hex() for span in spans.values()} == {CALLERS}

    def path(span_id: bytes) -> str:
        span = spans.get(span_id)
        return "" if span is None else f"{path(span.parent_span_id)}/{span.name.removeprefix('POST /v1/')}"

    assert {path(span_id) for span_id in spans} == {
        "/scenes",
        *(f"/scenes/{kind}" for kind in ("character", "background", "merger")),
        *(
            f"/scenes/{kind}/{stage}"
            for kind in ("character", "background")
            for stage in ("queue", "encode", "denoise", "decode")
        ),
        *(f"/scenes/merger/{stage}" for stage in ("merge", "output")),
    }
    assert "unmistakable" not in str(collector.received)
