"""No error shows a regular expression: the allowed values are described in words."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from pydantic import BaseModel, TypeAdapter, ValidationError

from serve.api.layer_schema import CharacterRequest, LayerRequest, StreamQuery
from serve.api.merge_request import MergesOptions
from serve.api.openai_generations import ImagesRequest
from serve.api.scene_schema import SceneRequest
from serve.config.service_config import ServiceConfig
from serve.jobs.job_schema import JobRequest

SEEN = [ServiceConfig, SceneRequest, LayerRequest, CharacterRequest, JobRequest, ImagesRequest]
SEEN += [MergesOptions, StreamQuery]


def patterns(schema: Any) -> Iterator[str]:
    """Yield the patterns of a core schema, which pydantic would show in its errors."""
    if isinstance(schema, dict):
        if schema.get("type") == "str" and "pattern" in schema:
            yield str(schema["pattern"])
        for inner in schema.values():
            yield from patterns(inner)
    elif isinstance(schema, list | tuple):
        for inner in schema:
            yield from patterns(inner)


@pytest.mark.parametrize("model", SEEN, ids=lambda model: model.__name__)
def test_no_model_that_a_person_fills_in_has_a_pattern(model: type[BaseModel]) -> None:
    assert list(patterns(TypeAdapter(model).core_schema)) == []


def test_the_collectors_missing_address_is_reported_in_words() -> None:
    with pytest.raises(ValidationError, match="must be the collector's address, such as http://") as raised:
        ServiceConfig.model_validate({"tracing": {"endpoint": "collector:4317"}})
    assert raised.value.errors()[0]["loc"] == ("tracing", "endpoint")
