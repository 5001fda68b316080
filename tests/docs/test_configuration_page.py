"""docs/configuration.md lists every key of the settings, with its type, default and meaning."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from docs import configuration_page
from docs.configuration_meanings import MEANINGS, REPLICAS
from docs.configuration_variables import PROXY_VARIABLES, VARIABLES
from serve.config import environment
from serve.config.service_config import ServiceConfig
from serve.http.connection_limits import NAMES

REPOSITORY = Path(__file__).parents[2]
SCHEMA = ServiceConfig.model_json_schema()
MODELS = {"ServiceConfig": SCHEMA} | {
    name: part for name, part in SCHEMA["$defs"].items() if "properties" in part
}


def test_the_file_is_what_the_models_say() -> None:
    kept = (REPOSITORY / "docs/configuration.md").read_text(encoding="utf-8")
    assert kept == configuration_page.page(), "run: python -m docs.configuration_page"


@pytest.mark.parametrize("title", MODELS)
def test_every_key_has_a_meaning_and_every_meaning_a_key(title: str) -> None:
    keys = set(MODELS[title]["properties"])
    inherited = set(REPLICAS) if "num_replicas" in keys else set()
    assert set(MEANINGS[title]) == keys - inherited


def test_no_model_is_made_up() -> None:
    assert set(MEANINGS) == set(MODELS)


def test_every_variable_that_is_read_is_listed() -> None:
    source = Path(environment.__file__).read_text(encoding="utf-8")
    read = set(re.findall(r'environment, "([A-Z_]+)"', source)) | {"CHARACTER_MODEL", "BACKGROUND_MODEL"}
    assert read == set(VARIABLES)
    assert {name for name, *_ in NAMES.values()} <= set(PROXY_VARIABLES)
