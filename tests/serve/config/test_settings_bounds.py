"""Every numeric setting has bounds: values beyond them are refused at the start, with their key."""

from __future__ import annotations

import dataclasses
import math
import typing
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import BaseModel, ValidationError

from serve.autoscaling.decide import Goal
from serve.config.serve_file import SHIPPED_FOLDER, ConfigFileError, load
from serve.config.service_config import ServiceConfig

NEGATIVE = {"character.generator.model.lora[].scale", "background.generator.model.lora[].scale"}
ZERO = {
    *(
        "num_cpus",
        "num_gpus",
        "resources",
        "surge_percent",
        "scale",
        "prompt_cache",
        "reduced_guidance_scale",
    ),
    *("calibration_s", "result_cache_bytes", "load_s", "encode_s", "step_s", "decode_s", "shared_step_ratio"),
    *("guidance_scale", "max_guidance", "max_repaints", "min_free_bytes", "sampled", "unlike_cosine"),
}
"""Names for which zero has a meaning: none, or no wait."""


def numbers(annotation: Any) -> Iterator[tuple[str, list[Any], type]]:
    """Yield each number in a type: its path, the keys that lead to it, and its type."""
    yield from _numbers(annotation, [])


def _numbers(annotation: Any, keys: list[Any]) -> Iterator[tuple[str, list[Any], type]]:
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if annotation in (int, float):
        path = ".".join(str(key) for key in keys).replace(".0", "[]")
        yield path, keys, annotation
    elif origin is typing.Annotated:
        yield from _numbers(arguments[0], keys)
    elif origin is tuple:
        yield from _numbers(arguments[0], [*keys, 0])
    elif origin is dict:
        yield from _numbers(arguments[1], [*keys, "key"])
    elif arguments and origin is not typing.Literal:
        for argument in arguments:
            yield from _numbers(argument, keys)
    elif isinstance(annotation, type) and issubclass(annotation, BaseModel):
        for name, field in annotation.model_fields.items():
            yield from _numbers(field.annotation, [*keys, name])
    elif dataclasses.is_dataclass(annotation):
        for name, kind in typing.get_type_hints(annotation, include_extras=True).items():
            if not name.startswith("__"):
                yield from _numbers(kind, [*keys, name])


ALL = {path: (keys, kind) for path, keys, kind in numbers(ServiceConfig) if ".models[]." not in path}
"""All except those of a layer's further models, which have its first one's type (test_layer_settings.py)."""


def nested(keys: list[Any], value: Any) -> Any:
    """Return settings with that one value, and the other settings that it requires."""
    for key in reversed(keys):
        if key == 0:
            value = [value, 512] if keys[-2] == "native_size" else [value | {"source": "x"}]
        else:
            value = {key: value}
            if key in ("num_inference_steps", "guidance_scale", "width", "height") and keys[-2] == "defaults":
                given = {"num_inference_steps": 9, "guidance_scale": 6.0, "width": 64, "height": 64}
                value = given | value
            if key == "ip_adapter":
                value["ip_adapter"] |= {"source": "x", "image_encoder": "x"}
            if keys[0] in ("character", "background") and key == "model":
                value["model"].setdefault("source", "x")
            if keys[0] in ("character", "background") and key == "generator":
                value["generator"].setdefault("model", {"source": "x"})
    layer = value.get(keys[0])
    if keys[0] in ("character", "background"):
        usual = ServiceConfig().model_dump()[keys[0]]
        value = {
            keys[0]: {name: layer.get(name, usual[name]) for name in ("generator", "defaults", "replicas")}
        }
    return value


def faults(settings: Any) -> list[str]:
    """Return the keys at fault; an error about two settings together has no key."""
    try:
        ServiceConfig.model_validate(settings)
    except ValidationError as error:
        return [".".join(str(part) for part in fault["loc"]) for fault in error.errors()]
    return []


def test_all_of_them_are_found() -> None:
    assert len(ALL) > 100
    assert {
        *("character.generator.generation.max_rows", "background.generator.simulated.step_s"),
        *("character.generator.model.threads", "jobs.lease_s", "merger.resources.key", "matting.input_px"),
        *("character.generator.model.lora[].scale", "character.generator.simulated.native_size[]"),
    } <= ALL.keys()


@pytest.mark.parametrize("path", sorted(ALL))
def test_what_is_out_of_bounds_is_refused_by_its_key(path: str) -> None:
    keys, kind = ALL[path]
    named = [key for key in keys if isinstance(key, str)]
    wrong = [10**30, -(10**30)] + ([math.nan, math.inf, -math.inf] if kind is float else [])
    wrong += [] if path in NEGATIVE else [-1]
    wrong += [] if ZERO & set(named) else [0]
    for value in wrong:
        name = next(key for key in reversed(named) if key != "key")
        places = faults(nested(keys, value))
        assert any(name in place for place in places), (value, places)


@pytest.mark.parametrize("path", sorted(path for path in ALL if ZERO & set(path.split("."))))
def test_zero_is_taken_where_it_means_something(path: str) -> None:
    assert [place for place in faults(nested(ALL[path][0], 0)) if place] == []


@pytest.mark.parametrize("name", [field.name for field in dataclasses.fields(Goal)])
@pytest.mark.parametrize("value", [-1, math.nan, math.inf, 1e30])
def test_a_goal_of_the_autoscaling_has_bounds(name: str, value: float) -> None:
    with pytest.raises(ValueError, match=name):
        Goal(**{name: value})


@pytest.mark.parametrize("name", ["target_ongoing_requests", "upscale_delay_s", "max_replicas"])
@pytest.mark.parametrize("value", [-1, math.nan, math.inf, 1e30])
def test_so_has_ray_s_own(name: str, value: float) -> None:
    with pytest.raises(ValidationError):
        ServiceConfig.model_validate({"merger": {"autoscaling": {name: value}}})


@pytest.mark.parametrize("value", [".inf", "-.inf", ".nan"])
@pytest.mark.parametrize("key", ["health_check_period_s", "graceful_shutdown_timeout_s"])
def test_no_number_of_a_file_is_infinite(tmp_path: Path, key: str, value: str) -> None:
    content = yaml.safe_load((SHIPPED_FOLDER / "simulated.yaml").read_text())
    content["applications"][0]["deployments"] = [{"name": "Merger", key: float(value.replace(".", ""))}]
    file = tmp_path / "serve.yaml"
    file.write_text(yaml.safe_dump(content))
    with pytest.raises(ConfigFileError, match=rf"deployments\[0\]\.{key}"):
        load(file)
