"""docs/guides/lora.md: its configuration is accepted, its LoRAs change the picture, its table is true."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from serve.config.service_config import ServiceConfig
from serve.ingress import build_http
from tests.support.local_service import REPOSITORY, listening, local_graph
from tests.support.lora_files import UNET, pair, write_lora
from tests.support.tiny_models import one_thread as one_thread
from tests.support.tiny_models import tiny_sd1 as tiny_sd1

PAGE = (REPOSITORY / "docs/guides/lora.md").read_text(encoding="utf-8")
ADDRESS = "http://127.0.0.1:8000"


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)


@pytest.fixture(scope="module")
def url(tiny_sd1: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("loras")
    for seed, name in enumerate(("watercolor", "ink")):
        write_lora(folder, name, seed)
    write_lora(folder, "misfit", **pair(UNET, width=48))
    model = {"source": str(tiny_sd1), "device": "cpu", "threads": 1, "lora_folder": str(folder)}
    layer = {
        "generator": {"model": model, "generation": {"calibration_s": 0, "warm_up_steps": 1}},
        "defaults": {"num_inference_steps": 2, "width": 64, "height": 64},
    }
    settings = {"character": layer, "background": layer, "authentication": "off"}
    state = {"state_dir": str(tmp_path_factory.mktemp("state"))}
    config = ServiceConfig.model_validate(settings | state)
    with listening(build_http(config, local_graph(config))) as url:
        yield url


def test_its_configuration_is_taken() -> None:
    (block,) = blocks("yaml")
    config = ServiceConfig.model_validate(yaml.safe_load(block)["applications"][0]["args"])
    folders = [model.generator.model.lora_folder for model in config.generators.values()]
    assert folders == ["/srv/loras/sd15", "/srv/loras/sd15", "/srv/loras/sdxl"]


def test_its_requests_are_answered(url: str) -> None:
    listing, scene, *_ = map(shlex.split, blocks("sh"))
    models = httpx.get(listing[1].replace(ADDRESS, url)).json()["data"]
    assert [lora["name"] for lora in models[0]["loras"]] == ["ink", "misfit", "watercolor"]
    body: dict[str, Any] = json.loads(scene[scene.index("-d") + 1])
    answer = httpx.post(scene[1].replace(ADDRESS, url), json=body | {"seed": 1}, timeout=60)
    assert answer.status_code == 200, answer.text
    plain = {name: layer | {"loras": []} for name, layer in body.items()}
    other = httpx.post(scene[1].replace(ADDRESS, url), json=plain | {"seed": 1}, timeout=60)
    assert other.status_code == 200 and other.content != answer.content


@pytest.mark.parametrize(
    ("loras", "code", "param"),
    [
        ([{"name": "nowhere"}], "invalid_request", "character.loras.0.name"),
        ([{"name": "ink"}] * 2, "invalid_request", "character.loras.1.name"),
        ([{"name": "ink"}] * 9, "invalid_request", "character.loras"),
        ([{"name": "misfit"}, {"name": "ink"}], "invalid_request", "character.loras.0"),
    ],
)
def test_what_is_refused_is_as_its_table_says(
    loras: list[Any], code: str, param: str, url: str, tiny_sd1: Path
) -> None:
    scene = {"character": {"prompt": "a knight", "loras": loras}, "background": "a castle"}
    answer = httpx.post(f"{url}/v1/scenes", json=scene, timeout=60)
    error = answer.json()["error"]
    assert (answer.status_code, error["code"], error["param"]) == (422, code, param), error
    assert f"| 422 `{code}`, `param` `{param.replace('.1.', '.0.')}` |" in PAGE
