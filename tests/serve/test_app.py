from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from ray.serve._private.api import call_user_app_builder_with_args_if_necessary as as_serve_run_does
from ray.serve._private.build_app import build_app

from serve.app import build
from serve.config.replica_options import MergerOptions
from serve.config.serve_file import load
from serve.config.service_config import ServiceConfig
from tests.support.built import deployments_of
from tests.support.local_service import SIMULATED

SDXL = "stabilityai/stable-diffusion-xl-base-1.0"
TWO_MODELS = {
    "character": {
        "models": [
            {"generator": {"model": {"source": SDXL}}, "replicas": {"num_replicas": 2, "num_gpus": 1}},
            {
                "generator": {"model": {"source": "my/tune"}},
                "replicas": {"num_gpus": 0.5, "autoscaling": {"min_replicas": 0, "max_replicas": 4}},
            },
        ]
    }
}
EXAMPLE = Path(__file__).parents[2] / "examples" / "several_models.yaml"
FILES = sorted((Path(__file__).parents[2] / "serve").glob("*.yaml"))


@pytest.fixture(autouse=True)
def no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("DIFFUSION_MODEL", "CHARACTER_MODEL", "BACKGROUND_MODEL", "DEFAULT_STEPS", "MAX_IMAGE_SIZE"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_serve_run_builds_each_file(file: Path) -> None:
    arguments = yaml.safe_load(file.read_text(encoding="utf-8"))["applications"][0]["args"]
    application = as_serve_run_does(build, arguments)  # type: ignore[arg-type]
    assert set(deployments_of(application)) == {"Ingress", "Character", "Background", "Merger", "JobWorker"}


def test_a_misspelt_argument_is_refused_by_serve_run_too() -> None:
    with pytest.raises(ValueError, match="tone"):
        as_serve_run_does(build, {"tone": 1})  # type: ignore[arg-type]


def test_each_generator_replica_has_its_own_gpu_and_the_rest_none() -> None:
    gpu = next(file for file in FILES if file.name == "gpu.yaml")
    arguments = yaml.safe_load(gpu.read_text(encoding="utf-8"))["applications"][0]["args"]
    graph = deployments_of(build(ServiceConfig.model_validate(arguments)))
    gpus = {name: deployment.ray_actor_options["num_gpus"] for name, deployment in graph.items()}
    assert gpus == {"Character": 1, "Background": 1, "Merger": 0, "Ingress": 0, "JobWorker": 0}
    scaling = graph["Character"]._deployment_config.autoscaling_config
    assert (scaling.min_replicas, scaling.max_replicas) == (1, 25)


def test_the_options_reach_ray() -> None:
    merger = MergerOptions(num_replicas=3, num_cpus=0.5, max_ongoing_requests=2, max_queued_requests=5)
    deployment = deployments_of(build(ServiceConfig(merger=merger)))["Merger"]
    assert (deployment.num_replicas, deployment.ray_actor_options["num_cpus"]) == (3, 0.5)
    assert (deployment.max_ongoing_requests, deployment.max_queued_requests) == (2, 5)


def test_an_upgrade_leaves_no_gap_and_no_connection_behind() -> None:
    graph = deployments_of(build(ServiceConfig.model_validate(SIMULATED)))
    surges = {name: each._deployment_config.max_surge_percent for name, each in graph.items()}
    # A generator's successor needs a GPU of its own, which may not exist.
    assert surges == {"Ingress": 25, "Merger": 25, "JobWorker": 25, "Character": 0, "Background": 0}
    longest_s = ServiceConfig().limits.max_deadline_s
    assert graph["Ingress"]._deployment_config.graceful_shutdown_timeout_s == longest_s


@pytest.mark.parametrize(
    ("options", "must_load"),
    [
        ({}, False),
        ({"surge_percent": 20}, True),
        ({"must_load": True}, True),
        ({"surge_percent": 20, "must_load": False}, False),
    ],
)
def test_whether_a_generator_starts_without_its_model(options: dict[str, Any], must_load: bool) -> None:
    data = ServiceConfig.model_validate(SIMULATED).model_dump()
    data["character"]["replicas"] |= options
    graph = deployments_of(build(ServiceConfig.model_validate(data)))
    assert graph["Character"].init_kwargs["must_load"] == must_load


@pytest.mark.parametrize("gpus", [0, 1])
def test_only_a_calibration_of_a_cpu_is_kept(gpus: int) -> None:
    data = ServiceConfig.model_validate(SIMULATED).model_dump()
    data["character"]["replicas"] |= {"num_gpus": gpus}
    graph = deployments_of(build(ServiceConfig.model_validate(data)))
    assert (graph["Character"].init_kwargs["calibrations"] is None) == bool(gpus)


def test_each_model_of_a_layer_is_a_deployment_of_its_own() -> None:
    graph = deployments_of(build(ServiceConfig.model_validate(TWO_MODELS)))
    generators = {"Character", "Character-my-tune", "Background"}
    assert graph.keys() == generators | {"Merger", "Ingress", "JobWorker"}
    first, other = graph["Character"], graph["Character-my-tune"]
    assert (first.ray_actor_options["num_gpus"], other.ray_actor_options["num_gpus"]) == (1, 0.5)
    assert first.num_replicas == 2
    scaling = other._deployment_config.autoscaling_config
    assert (scaling.min_replicas, scaling.max_replicas) == (0, 4)
    assert [each.init_args[0].model.source for each in (first, other)] == [SDXL, "my/tune"]
    routers = [each._deployment_config.request_router_config.request_router_kwargs for each in (first, other)]
    assert [router["generator"] for router in routers] == ["character", "character:my/tune"]


def test_the_example_of_several_models_is_served() -> None:
    file = load(EXAMPLE)
    graph = deployments_of(build(file.config))
    generators = {name for name, each in graph.items() if each.ray_actor_options["num_gpus"]}
    assert generators == {"Character", "Character-black-forest-labs-FLUX.1-schnell", "Background"}
    asleep = graph["Character-black-forest-labs-FLUX.1-schnell"]._deployment_config.autoscaling_config
    assert (asleep.min_replicas, asleep.max_replicas, asleep.look_back_period_s) == (0, 2, 5)


def test_ray_finds_the_handles_of_all_models() -> None:
    application = build(ServiceConfig.model_validate(TWO_MODELS))
    built = build_app(application, name="scenewright")
    assert {each.name for each in built.deployments} == deployments_of(application).keys()
    for name in ("Ingress", "JobWorker"):
        (found,) = (each for each in built.deployments if each.name == name)
        (others,) = (argument for argument in found.init_args if isinstance(argument, dict))
        assert others == {"character:my/tune": built.deployment_handles["Character-my-tune"]}


def test_the_environment_is_heeded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHARACTER_MODEL", "some/model")
    monkeypatch.setenv("MAX_IMAGE_SIZE", "2048")
    graph = deployments_of(build(ServiceConfig.model_validate(SIMULATED)))
    assert graph["Character"].init_args[0].model.source == "some/model"
    assert graph["Background"].init_args[0].model.source == "storybook-background"
    assert graph["Ingress"].init_args[0].limits.max_image_size == 2048
