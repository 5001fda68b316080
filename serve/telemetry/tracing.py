"""Send traces over OTLP/HTTP to a collector, if one is configured. Otherwise nothing is recorded.

The spans themselves use OpenTelemetry's API (serve/telemetry/scene_spans.py, serve/http/http_telemetry.py),
which does nothing if no provider is set. The exporter reads the collector's headers, certificates and
timeouts from the environment variables OTEL_EXPORTER_OTLP_*.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from typing import Annotated, ClassVar

from opentelemetry import trace
from pydantic import AfterValidator, StringConstraints

from deployments.bounds import Share

SERVICE_NAME = "scenewright"


def _address(endpoint: str) -> str:
    if not re.fullmatch(r"https?://\S+", endpoint):
        raise ValueError("must be the collector's address, such as http://collector:4318")
    return endpoint


@dataclass(frozen=True)
class TracingConfig:
    """`endpoint`: the collector's address without `/v1/traces`, as in OTEL_EXPORTER_OTLP_ENDPOINT.

    `sampled`: the fraction to keep of the traces that begin here. A caller that sends a `traceparent` has
    already decided for its own traces.
    """

    __pydantic_config__: ClassVar[dict[str, str]] = {"extra": "forbid"}

    endpoint: Annotated[str, StringConstraints(max_length=2_000), AfterValidator(_address)] | None = None
    sampled: Share = 1.0


def send_traces(config: TracingConfig) -> None:
    """Send this process's traces from now on. Raises ValueError if the exporter is not installed.

    A provider that is already set, such as that of Ray Serve's own tracing, stays and gets our spans too.
    """
    if config.endpoint is None:
        return
    # Import the SDK here: it is slow to import, and a service without traces does not need it.
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor
    from opentelemetry.sdk.trace.sampling import ParentBasedTraceIdRatio

    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    except ImportError:
        raise ValueError("traces need the extra `tracing`: pip install 'scenewright[tracing]'") from None
    if isinstance(trace.get_tracer_provider(), TracerProvider):
        return
    name = os.environ.get("OTEL_SERVICE_NAME") or SERVICE_NAME
    provider = TracerProvider(
        sampler=ParentBasedTraceIdRatio(config.sampled), resource=Resource.create({"service.name": name})
    )
    exporter = OTLPSpanExporter(f"{config.endpoint.rstrip('/')}/v1/traces")
    provider.add_span_processor(BatchSpanProcessor(exporter))
    trace.set_tracer_provider(provider)
