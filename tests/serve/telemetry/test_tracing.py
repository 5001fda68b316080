"""A service with a collector sends it traces; one without does not even import the exporter."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

import pytest
from pydantic import ValidationError

from serve.config.service_config import ServiceConfig
from tests.support.local_service import REPOSITORY
from tests.support.otlp_collector import Collector, collector_running

SEND = """
import sys
from opentelemetry import trace
from serve.config.service_config import ServiceConfig
from serve.telemetry.scene_spans import spanning
from serve.telemetry.tracing import send_traces

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
def collector() -> Iterator[Collector]:
    with collector_running() as collector:
        yield collector


def send(endpoint: str) -> str:
    """Send a span from a new process, since each can set a provider only once; return its output."""
    environment = {"PYTHONPATH": str(REPOSITORY), "NO_PROXY": "*", "OTEL_SERVICE_NAME": "storybook"}
    command = [sys.executable, "-c", SEND, endpoint]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=100)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_a_collector_gets_the_spans(collector: Collector) -> None:
    assert send(collector.url + "/") == "True"
    assert collector.paths == ["/v1/traces"]
    (reported,) = collector.received
    resource = {each.key: each.value.string_value for each in reported.resource.attributes}
    assert resource["service.name"] == "storybook"
    assert [span.name for span in collector.received_spans()] == ["a scene"]


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
    with pytest.raises(ValueError, match=r"^OTEL_EXPORTER_OTLP_ENDPOINT: [^\n]*$"):
        ServiceConfig().with_environment({"OTEL_EXPORTER_OTLP_ENDPOINT": "nonsense"})
