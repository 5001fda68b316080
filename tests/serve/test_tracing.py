"""A service with a collector sends it traces; one without does not even import what sends them."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from pydantic import ValidationError

from serve.config import ServiceConfig

from .conftest import REPOSITORY

SEND = """
import sys
from opentelemetry import trace
from serve.config import ServiceConfig
from serve.spans import spanning
from serve.tracing import send_traces

config = ServiceConfig().with_environment({"OTEL_EXPORTER_OTLP_ENDPOINT": sys.argv[1]})
send_traces(config.tracing)
with spanning("a scene", {"scenewright.request_id": "story-7"}):
    pass
provider = trace.get_tracer_provider()
if hasattr(provider, "force_flush"):
    provider.force_flush(5000)
print("opentelemetry.sdk.trace" in sys.modules)
"""


@pytest.fixture
def collector() -> Iterator[tuple[str, list[tuple[str, bytes]]]]:
    """Its address, and what it is sent."""
    received: list[tuple[str, bytes]] = []

    class Collector(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            received.append((self.path, self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *words: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Collector) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}", received
        finally:
            server.shutdown()
            thread.join()


def send(endpoint: str) -> str:
    """What a fresh process says after it has sent one span; a provider can be set but once in each."""
    environment = {"PYTHONPATH": str(REPOSITORY), "NO_PROXY": "*", "OTEL_SERVICE_NAME": "storybook"}
    command = [sys.executable, "-c", SEND, endpoint]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=100)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_a_collector_gets_the_spans(collector: tuple[str, list[tuple[str, bytes]]]) -> None:
    address, received = collector
    assert send(address + "/") == "True"
    ((path, body),) = received
    assert path == "/v1/traces"
    told = ExportTraceServiceRequest.FromString(body).resource_spans[0]
    resource = {each.key: each.value.string_value for each in told.resource.attributes}
    assert resource["service.name"] == "storybook"
    assert told.scope_spans[0].spans[0].name == "a scene"


def test_without_one_the_exporter_is_not_even_imported() -> None:
    assert send("") == "False"


@pytest.mark.parametrize(
    "tracing",
    [
        {"endpoint": "collector:4317"},
        {"endpoint": "file:///etc/passwd"},
        {"endpoint": "http://two words"},
        {"sampled": 1.5},
        {"sampled": -0.1},
        {"unknown": 1},
    ],
)
def test_what_is_no_collector_is_refused(tracing: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        ServiceConfig.model_validate({"tracing": tracing})


def test_an_environment_that_names_none_is_refused_by_name() -> None:
    with pytest.raises(ValidationError, match=r"tracing\.endpoint"):
        ServiceConfig().with_environment({"OTEL_EXPORTER_OTLP_ENDPOINT": "nonsense"})
