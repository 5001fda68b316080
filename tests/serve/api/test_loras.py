"""`loras` of a layer: their form in its job, their place in `/v1/models`, and what is refused."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from deployments.errors import InvalidRequest, UnsupportedTask
from deployments.messages import MAX_LORAS, LoraUse
from serve.api.layer_schema import LayerRequest
from serve.api.model_list import find, listing
from serve.api.resolve import admit_layer, admit_scene
from serve.api.scene_schema import SceneRequest
from serve.config.service_config import ServiceConfig
from tests.support.lora_files import UNET, write_lora

OTHER = "someone/anime-tune"


@pytest.fixture
def config(tmp_path: Path) -> ServiceConfig:
    """Configure LoRA folders for the figures and for the places' second model; their first model has none."""
    for name in ("ink", "wash"):
        write_lora(tmp_path / "figures", name, seed=len(name))
    write_lora(tmp_path / "figures", "dora", **{f"{UNET}.dora_scale": np.zeros(4, np.float32)})
    write_lora(tmp_path / "places", "mist")
    places = [
        {"generator": {"model": {"source": "storybook-background"}}},
        {"generator": {"model": {"source": OTHER, "lora_folder": str(tmp_path / "places")}}},
    ]
    figures = {"source": "storybook-character", "lora_folder": str(tmp_path / "figures")}
    return ServiceConfig.model_validate(
        {"character": {"generator": {"model": figures}}, "background": {"models": places}}
    )


def use(folder: Path, name: str, scale: float = 1.0) -> LoraUse:
    data = (folder / f"{name}.safetensors").read_bytes()
    return LoraUse(name=name, sha256=sha256(data).hexdigest(), scale=scale)


def admitted(config: ServiceConfig, loras: Any, **layer: Any) -> tuple[LoraUse, ...]:
    request = LayerRequest.model_validate({"prompt": "a", "loras": loras, **layer})
    return admit_layer("character", request, config, "id").loras


def test_a_job_has_each_lora_by_the_hash_of_its_file(config: ServiceConfig, tmp_path: Path) -> None:
    figures, places = tmp_path / "figures", tmp_path / "places"
    scene = SceneRequest.model_validate(
        {
            "characters": [
                {"prompt": "a", "loras": [{"name": "ink", "scale": 0.8}, {"name": "wash"}]},
                {"prompt": "b", "loras": []},
                {"prompt": "c", "loras": [{"name": "ink", "scale": -10}]},
            ],
            "background": {"prompt": "d", "model": OTHER, "loras": [{"name": "mist", "scale": None}]},
        }
    )
    job = admit_scene(scene, config, "id", None)
    assert [figure.loras for figure in job.characters] == [
        (use(figures, "ink", 0.8), use(figures, "wash")),
        (),
        (use(figures, "ink", -10),),
    ]
    assert job.background.loras == (use(places, "mist"),)
    keys = [admit_layer("character", LayerRequest(prompt="a", seed=1), config, "id").cache_key]
    for scale in (0.5, 0.6):
        layer = LayerRequest.model_validate(
            {"prompt": "a", "seed": 1, "loras": [{"name": "ink", "scale": scale}]}
        )
        keys.append(admit_layer("character", layer, config, "id").cache_key)
    assert len(set(keys)) == 3, "LoRAs are part of the cache key"


def test_the_listing_has_them_with_the_layers_that_may_name_them(
    config: ServiceConfig, tmp_path: Path
) -> None:
    data = {model["id"]: model for model in listing(config)["data"]}
    listed = data["storybook-character"]["loras"]
    assert [(lora["name"], lora["layers"], lora["fault"]) for lora in listed] == [
        ("dora", ["character"], "it is a DoRA"),
        ("ink", ["character"], None),
        ("wash", ["character"], None),
    ]
    file = tmp_path / "figures" / "ink.safetensors"
    assert (listed[1]["sha256"], listed[1]["bytes"]) == (
        use(file.parent, "ink").sha256,
        file.stat().st_size,
    )
    assert [lora["layers"] for lora in data[OTHER]["loras"]] == [["background"]]
    can = [name for name, model in data.items() if "loras" in model["tasks"]]
    assert can == ["storybook-character", OTHER]
    assert data["storybook-background"]["loras"] == []
    one = find(config, "storybook-character")
    assert one is not None and one["loras"] == listed


def test_a_model_of_both_layers_lists_each_of_them_once(tmp_path: Path) -> None:
    write_lora(tmp_path, "ink")
    model = {"generator": {"model": {"source": OTHER, "lora_folder": str(tmp_path)}}}
    config = ServiceConfig.model_validate({"character": model, "background": model})
    (lora,) = listing(config)["data"][0]["loras"]
    assert (lora["name"], lora["layers"]) == ("ink", ["character", "background"])


@pytest.mark.parametrize(
    ("loras", "param", "said"),
    [
        ([{"name": "nowhere"}], "loras.0.name", "is not a LoRA of storybook-character; available: "),
        ([{"name": "ink"}, {"name": "Ink"}], "loras.1.name", "available: dora, ink, wash"),
        ([{"name": "../places/mist"}], "loras.0.name", "is not a LoRA of"),
        ([{"name": "ink.safetensors"}], "loras.0.name", "is not a LoRA of"),
        ([{"name": "ink"}, {"name": "ink", "scale": 0.5}], "loras.1.name", "the LoRA ink is given twice"),
        ([{"name": "dora"}], "loras.0.name", "the LoRA dora cannot be used: it is a DoRA"),
    ],
)
def test_what_is_refused_by_name(config: ServiceConfig, loras: Any, param: str, said: str) -> None:
    with pytest.raises(InvalidRequest) as raised:
        admitted(config, loras)
    assert type(raised.value) is InvalidRequest
    assert raised.value.param == param and said in raised.value.message


def test_a_model_without_a_folder_takes_none(config: ServiceConfig) -> None:
    request = LayerRequest.model_validate({"prompt": "a", "loras": [{"name": "ink"}]})
    with pytest.raises(UnsupportedTask, match="no LoRAs for storybook-background") as raised:
        admit_layer("background", request, config, "id")
    assert raised.value.param == "loras"


@pytest.mark.parametrize(
    "loras",
    [
        [{"name": f"style {number}"} for number in range(MAX_LORAS + 1)],
        [{"name": "ink", "scale": float("nan")}],
        [{"name": "ink", "scale": float("inf")}],
        [{"name": "ink", "scale": 10.5}],
        [{"name": "ink", "scale": "1"}],
        [{"name": "ink", "scale": True}],
        [{"name": ""}],
        [{"name": "x" * 201}],
        [{"scale": 1}],
        [{"name": "ink", "weight": 1}],
        ["ink"],
        {"name": "ink"},
    ],
)
def test_what_is_no_list_of_names_and_scales(loras: Any) -> None:
    with pytest.raises(ValidationError):
        LayerRequest.model_validate({"prompt": "a", "loras": loras})
