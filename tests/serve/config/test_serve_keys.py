"""Every key of Ray Serve's schema reaches Serve, or is refused in one sentence with its name.

The keys are read from the schema itself: one that a new Ray brings fails here until it is looked at.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml
from pydantic import BaseModel
from ray.serve.schema import ApplicationStatus, ServeDeploySchema

from serve.config import serve_file
from serve.config.known_keys import _fields, _shapes
from serve.config.serve_file import (
    SHIPPED_FOLDER,
    ConfigFileError,
    ServeFile,
    load,
)
from serve.config.unserved_keys import UNSERVED
from serve.runtime import deploying
from serve.runtime.one_machine import requested_resources
from serve.runtime.start_errors import CannotStart

SIMULATED = yaml.safe_load((SHIPPED_FOLDER / "simulated.yaml").read_text())
ENV = {"env_vars": {"PAINT": "wet"}}
IN_APPLICATION, IN_DEPLOYMENT = "applications[]", "applications[].deployments[]"
ROUTER = {"request_router_class": "ray.serve._private.request_router:PowerOfTwoChoicesRequestRouter"}
SCALED = {"min_replicas": 1, "max_replicas": 2}
TRACED = {"enabled": True, "exporter_import_path": "a.b:exporter"}
IMPORTABLE = "ray.serve.autoscaling_policy:replica_queue_length_autoscaling_policy"
POLICY = {"policy_function": "a:b"}
SERVED: dict[str, Any] = {
    "proxy_location": "EveryNode",
    "target_capacity": 50.0,
    "http_options.host": "127.0.0.2",
    "http_options.port": 8123,
    "http_options.root_path": "/behind",
    "http_options.request_timeout_s": 7.0,
    "http_options.keep_alive_timeout_s": 9,
    "http_options.ssl_keyfile": ("/k.pem", {"ssl_certfile": "/c.pem"}),
    "http_options.ssl_certfile": ("/c.pem", {"ssl_keyfile": "/k.pem"}),
    "http_options.ssl_keyfile_password": ("secret", {"ssl_keyfile": "/k.pem", "ssl_certfile": "/c.pem"}),
    "controller_options.runtime_env": ENV,
    "logging_config.encoding": "JSON",
    "logging_config.log_level": "DEBUG",
    "logging_config.logs_dir": "/logs",
    "logging_config.enable_access_log": False,
    "logging_config.additional_log_standard_attrs": ["name"],
    "tracing_config.enabled": (True, TRACED),
    "tracing_config.exporter_import_path": ("c.d:exporter", TRACED),
    "tracing_config.sampling_ratio": (0.5, TRACED),
    "applications[].name": "painter",
    "applications[].route_prefix": "/paint",
    "applications[].runtime_env": ENV,
    # Another test checks that a policy reaches Ray if something is scaled, since that needs `args`.
    "applications[].deployments[].name": "Background",
    "applications[].deployments[].num_replicas": 3,
    "applications[].deployments[].max_ongoing_requests": 5,
    "applications[].deployments[].max_queued_requests": 6,
    "applications[].deployments[].backpressure_config.status_code": (429, {}, "Ingress"),
    "applications[].deployments[].backpressure_config.retry_after_s": (3.0, {}, "Ingress"),
    "applications[].deployments[].graceful_shutdown_wait_loop_s": 1.5,
    "applications[].deployments[].graceful_shutdown_timeout_s": 2.5,
    "applications[].deployments[].health_check_period_s": 3.5,
    "applications[].deployments[].health_check_timeout_s": 4.5,
    "applications[].deployments[].ray_actor_options.runtime_env": ENV,
    "applications[].deployments[].ray_actor_options.num_cpus": 0.25,
    "applications[].deployments[].ray_actor_options.num_gpus": 0.5,
    "applications[].deployments[].ray_actor_options.memory": 1e6,
    "applications[].deployments[].ray_actor_options.resources": {"paint": 1},
    "applications[].deployments[].ray_actor_options.accelerator_type": "A100",
    "applications[].deployments[].placement_group_bundles": [{"CPU": 1.0}],
    "applications[].deployments[].placement_group_strategy": "SPREAD",
    "applications[].deployments[].placement_group_bundle_label_selector": (
        [{"a": "b"}],
        {"placement_group_bundles": [{"CPU": 1.0}]},
    ),
    "applications[].deployments[].max_replicas_per_node": 4,
    "applications[].deployments[].logging_config.encoding": "JSON",
    "applications[].deployments[].logging_config.log_level": "DEBUG",
    "applications[].deployments[].logging_config.logs_dir": "/logs",
    "applications[].deployments[].logging_config.enable_access_log": False,
    "applications[].deployments[].logging_config.additional_log_standard_attrs": ["name"],
    "applications[].deployments[].rolling_update_percentage": 0.5,
    "applications[].deployments[].max_surge_percent": 40,
    **{
        f"applications[].deployments[].request_router_config.{key}": (value, ROUTER)
        for key, value in {
            "request_router_class": ROUTER["request_router_class"],
            "request_router_kwargs": {"a": 1},
            "request_routing_stats_period_s": 2.0,
            "request_routing_stats_timeout_s": 3.0,
            "initial_backoff_s": 0.1,
            "backoff_multiplier": 3.0,
            "max_backoff_s": 4.0,
        }.items()
    },
    **{
        f"applications[].deployments[].gang_scheduling_config.{key}": (value, {"gang_size": 2})
        for key, value in {
            "gang_size": 2,
            "gang_placement_strategy": "SPREAD",
            "runtime_failure_policy": "RESTART_GANG",
        }.items()
    },
    **{
        f"applications[].deployments[].autoscaling_config.{key}": (value, SCALED)
        for key, value in {
            "min_replicas": 1,
            "initial_replicas": 2,
            "max_replicas": 3,
            "target_ongoing_requests": 2.0,
            "metrics_interval_s": 2.0,
            "look_back_period_s": 30.0,
            "smoothing_factor": 1.5,
            "upscale_smoothing_factor": 1.5,
            "downscale_smoothing_factor": 1.5,
            "upscaling_factor": 1.5,
            "downscaling_factor": 1.5,
            "downscale_delay_s": 5.0,
            "downscale_to_zero_delay_s": 6.0,
            "upscale_delay_s": 7.0,
            "aggregation_function": "max",
        }.items()
    },
    "applications[].deployments[].autoscaling_config.policy.policy_function": IMPORTABLE,
    "applications[].deployments[].autoscaling_config.policy.policy_kwargs": {"a": 1},
}
"""A value for each key, with the keys that it needs beside it, and the deployment it is for."""
ELSEWHERE = {
    # Checked and refused by Ray's own schema: the address belongs at the top level.
    "applications[].host",
    "applications[].port",
    # Held by tests of their own, below or in test_serve_file.py.
    "applications[].import_path",
    "applications[].args",
    "applications[].autoscaling_policy",
    # There is only one node, whatever its labels: see on_one_node.
    "applications[].deployments[].ray_actor_options.label_selector",
    "applications[].deployments[].ray_actor_options.fallback_strategy",
}


def leaves(shape: type[BaseModel], path: str = "") -> Iterator[str]:
    for name, annotation in _fields(shape).items():
        here = f"{path}.{name}".lstrip(".")
        if "List[" in str(annotation) and list(_shapes(annotation)):
            here += "[]"
        inner = list(_shapes(annotation))
        if not inner or here.removesuffix("[]") in UNSERVED:
            yield here.removesuffix("[]")
        for each in inner if here.removesuffix("[]") not in UNSERVED else ():
            yield from leaves(each, here)


def laid(content: dict[str, Any], path: str, value: Any, beside: dict[str, Any], name: str) -> dict[str, Any]:
    """Return `content` with `value` at `path`."""
    content = copy.deepcopy(content)
    if path.startswith(IN_DEPLOYMENT):
        content["applications"][0].setdefault("deployments", [{"name": name}])
    keys = re.sub(r"\[\]", ".0", path).split(".")
    here: Any = content
    for key in keys[:-1]:
        here = here[int(key)] if key.isdigit() else here.setdefault(key, {})
    here.update(beside)
    here[keys[-1]] = value
    return content


def written(tmp_path: Path, content: dict[str, Any]) -> Path:
    file = tmp_path / "serve.yaml"
    file.write_text(yaml.safe_dump(content))
    return file


@pytest.fixture
def ray_serve(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """Replace Ray Serve by a recorder of what it was given."""
    given = SimpleNamespace(start={}, deployed=None, ran=None)
    client = SimpleNamespace(
        deploy_apps=lambda deploy: setattr(given, "deployed", deploy), wait_for_proxies_serving=lambda: None
    )

    def run_many(targets: list[Any], **options: Any) -> None:
        given.ran = targets[0]

    def status() -> SimpleNamespace:
        name = given.ran.name if given.ran else given.deployed.applications[0].name
        return SimpleNamespace(applications={name: SimpleNamespace(status=ApplicationStatus.RUNNING)})

    monkeypatch.setattr(deploying.serve, "start", lambda **options: given.start.update(options))
    monkeypatch.setattr(deploying.serve, "run_many", run_many)
    monkeypatch.setattr(deploying.serve, "status", status)
    monkeypatch.setattr(deploying, "_get_global_client", lambda: client)
    return given


def served(file: ServeFile, given: SimpleNamespace) -> dict[str, Any]:
    """Return what reached Ray Serve from a file, in the file's own structure."""
    deploying.start_serve(file.deploy, file.config.logs, file.host, file.port, print)
    deploying.run(None, file.config, file.deploy, print)  # type: ignore[arg-type]
    reached = {
        "proxy_location": given.start["proxy_location"],
        "http_options": given.start["http_options"],
        **{
            key: given.start[key] and given.start[key].model_dump(mode="json")
            for key in ("logging_config", "tracing_config", "controller_options")
        },
    }
    if given.deployed is not None:
        dumped = given.deployed.model_dump(mode="json", exclude_unset=True)
        return reached | {
            "applications": dumped["applications"],
            "target_capacity": dumped.get("target_capacity"),
        }
    return reached | {"applications": [{"name": given.ran.name, "route_prefix": given.ran.route_prefix}]}


def test_every_key_of_the_schema_is_known_to_this_test() -> None:
    found = set(leaves(ServeDeploySchema))
    assert found == set(SERVED) | set(UNSERVED) | ELSEWHERE


@pytest.mark.parametrize("path", SERVED)
def test_a_key_reaches_ray_serve(path: str, tmp_path: Path, ray_serve: SimpleNamespace) -> None:
    sample = SERVED[path]
    value, beside, name = (*sample, "Merger")[:3] if isinstance(sample, tuple) else (sample, {}, "Merger")
    content = laid(SIMULATED, path, value, beside, name)
    reached: Any = served(load(written(tmp_path, content)), ray_serve)
    for key in re.sub(r"\[\]", ".0", path).split("."):
        reached = reached[int(key)] if key.isdigit() else reached[key]
    assert reached == value


REFUSED = {
    "grpc_options": {"port": 9000},
    "http_options.ssl_ca_certs": "/ca.pem",
    "applications[].logging_config": {"log_level": "DEBUG"},
    "applications[].external_scaler_enabled": True,
    "applications[].deployments[].user_config": {"a": 1},
    "applications[].deployments[].deployment_actors": [{"name": "a", "actor_class": "a:b"}],
}


@pytest.mark.parametrize("path", UNSERVED)
def test_a_key_that_would_do_nothing_is_refused(path: str, tmp_path: Path) -> None:
    content = laid(SIMULATED, path, REFUSED[path], {}, "Merger")
    with pytest.raises(ConfigFileError) as caught:
        load(written(tmp_path, content))
    message = str(caught.value)
    assert f": {path.replace('[]', '[0]')} does nothing here, since " in message
    assert "\n" not in message


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        ("http_options.port", 99999, "http_options.port must be from 0 to 65535"),
        ("http_options.port", -1, "http_options.port must be from 0 to 65535"),
        ("http_options.request_timeout_s", 0, "http_options.request_timeout_s must be above 0"),
        ("http_options.request_timeout_s", float("nan"), "http_options.request_timeout_s must be above 0"),
        ("http_options.keep_alive_timeout_s", 0, "http_options.keep_alive_timeout_s must be at least 1"),
        *(
            ("http_options.root_path", path, "http_options.root_path must be a path such as /paint")
            for path in ("paint", "/", "/paint/", "/a b", "/a?b", "//paint", "/..", "/{x}")
        ),
        *(
            ("applications[].route_prefix", path, "route_prefix must be a path such as /paint")
            for path in ("", "paint", "/paint/", "/a b", "/a?b", "//", "/a//b", "/a/../b", "/{x}", "/a%20b")
        ),
        (
            "applications[].route_prefix",
            "/v1",
            "route_prefix must not end in /v1: each route already begins with it",
        ),
        ("applications[].route_prefix", "/paint/v1", "route_prefix must not end in /v1"),
        (
            "http_options.ssl_keyfile_password",
            "x",
            "ssl_keyfile_password does nothing here without ssl_keyfile",
        ),
        (
            "http_options.ssl_keyfile",
            "/k.pem",
            "ssl_keyfile and ssl_certfile do nothing here without each other",
        ),
        ("http_options.ssl_certfile", "/k.pem", "Both ssl_keyfile and ssl_certfile"),
        ("proxy_location", "Disabled", "proxy_location: Disabled would leave the service without an address"),
        (
            "applications[].route_prefix",
            None,
            "route_prefix: null would leave the service without an address",
        ),
        ("applications[].host", "127.0.0.1", "set host in the top level"),
        ("applications[].port", 8000, "set port in the top level"),
        (
            "applications[].autoscaling_policy",
            POLICY,
            "autoscaling_policy does nothing here, since no deployment",
        ),
        ("applications[].deployments[].name", "Painter", "deployments[0].name must be one of Character, "),
        (
            "applications[].deployments[].backpressure_config",
            {"status_code": 429},
            "since only Ingress serves",
        ),
        (
            "tracing_config",
            {"sampling_ratio": 0.5},
            "tracing_config.sampling_ratio does nothing here without",
        ),
        (
            "applications[].deployments[].autoscaling_config",
            {"policy": {"policy_function": "no.such:policy"}},
            "No module named 'no'",
        ),
        (
            "applications[].deployments[].gang_scheduling_config",
            {"gang_size": 2, "runtime_failure_policy": "RESTART_REPLICA"},
            "RESTART_REPLICA policy is not yet implemented",
        ),
        ("tracing_config", {"enabled": True}, "tracing_config.enabled does nothing here without"),
    ],
)
def test_a_value_that_would_do_nothing_is_refused(path: str, value: Any, said: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigFileError) as caught:
        load(written(tmp_path, laid(SIMULATED, path, value, {}, "Merger")))
    assert said in " ".join(str(caught.value).split())


def test_tls_behind_ray_s_haproxy_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """HAProxy would speak plain HTTP to replicas that expect TLS."""
    monkeypatch.setenv("RAY_SERVE_ENABLE_HA_PROXY", "1")
    content = laid(SIMULATED, "http_options.ssl_keyfile", "/k.pem", {"ssl_certfile": "/c.pem"}, "")
    with pytest.raises(ConfigFileError, match="does nothing behind Ray's HAProxy"):
        load(written(tmp_path, content))


def test_traces_go_one_way(tmp_path: Path) -> None:
    content = laid(SIMULATED, "tracing_config", TRACED, {}, "")
    content["applications"][0]["args"]["tracing"] = {"endpoint": "http://127.0.0.1:4318"}
    with pytest.raises(ConfigFileError, match="both send traces"):
        load(written(tmp_path, content))


@pytest.mark.parametrize(
    "nothing", [{"grpc_options": {}}, {"logging_config": None}, {"tracing_config": None}]
)
def test_an_empty_key_sets_nothing(nothing: dict[str, Any], tmp_path: Path) -> None:
    assert load(written(tmp_path, SIMULATED | nothing)).port == 8000


def test_the_shipped_policy_reaches_ray(ray_serve: SimpleNamespace) -> None:
    file = load(SHIPPED_FOLDER / "gpu.yaml")
    reached = served(file, ray_serve)["applications"][0]
    assert reached["autoscaling_policy"]["policy_function"] == serve_file.JOINT_POLICY
    assert reached["args"]["character"]["generator"]["model"]["device"] == "cuda"


def test_labels_of_other_machines_nodes_do_not_reach_ray(tmp_path: Path, ray_serve: SimpleNamespace) -> None:
    actor = {"num_cpus": 0, "label_selector": {"accelerator": "gpu"}, "fallback_strategy": []}
    content = laid(SIMULATED, f"{IN_DEPLOYMENT}.ray_actor_options", actor, {}, "Merger")
    reached = served(load(written(tmp_path, content)), ray_serve)["applications"][0]["deployments"][0]
    assert reached["ray_actor_options"]["label_selector"] is None
    assert reached["ray_actor_options"]["num_cpus"] == 0


def test_resources_are_counted_as_they_are_overridden(tmp_path: Path) -> None:
    content = copy.deepcopy(SIMULATED)
    content["applications"][0]["deployments"] = [
        {"name": "Character", "num_replicas": 3, "ray_actor_options": {"num_gpus": 2}},
        {"name": "Background", "num_replicas": 2},
    ]
    file = load(written(tmp_path, content))
    requested = requested_resources(file.config, file.deploy.applications[0].deployments)
    assert (requested["GPU"], requested["CPU"]) == (6, 3)


def test_a_failed_deployment_is_one_sentence(
    ray_serve: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    failed = SimpleNamespace(
        status=ApplicationStatus.DEPLOY_FAILED, message="Traceback:\n  File\nValueError: no such policy\n"
    )
    monkeypatch.setattr(
        deploying.serve, "status", lambda: SimpleNamespace(applications={"scenewright": failed})
    )
    with pytest.raises(CannotStart) as caught:
        served(load(SHIPPED_FOLDER / "simulated.yaml"), ray_serve)
    assert str(caught.value) == "Ray Serve could not deploy scenewright: ValueError: no such policy"


@pytest.mark.parametrize("prefix", ["/", "/paint", "/a/b-c_d.e~f", "/caf\u00e9", "/v1/paint", "/.well"])
def test_a_prefix_that_can_be_requested(prefix: str, tmp_path: Path) -> None:
    content = laid(SIMULATED, "applications[].route_prefix", prefix, {}, "Merger")
    assert load(written(tmp_path, content)).deploy.applications[0].route_prefix == prefix


def test_proxies_log_as_the_replicas_do_unless_the_file_says_otherwise(tmp_path: Path) -> None:
    content = copy.deepcopy(SIMULATED)
    content["applications"][0]["args"]["logs"] = {"level": "ERROR", "folder": "/logs"}
    content.pop("logging_config", None)
    for said, level in (({}, "ERROR"), ({"log_level": "DEBUG"}, "DEBUG")):
        file = load(written(tmp_path, content | {"logging_config": said} if said else content))
        found = deploying.logs_of_serve(file.deploy, file.config.logs)
        assert (found.encoding, found.log_level, found.logs_dir) == ("JSON", level, "/logs")
