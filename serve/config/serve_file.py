"""Read a Serve configuration file such as serve/local.yaml, and refuse what Serve would overlook."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError
from ray.serve.config import AutoscalingPolicy
from ray.serve.schema import ServeDeploySchema

from ..autoscaling.decide import Goal
from .known_keys import UnknownKey, check_keys
from .service_config import ServiceConfig
from .unserved_keys import UnservedKey, refuse_unserved

IMPORT_PATH = "serve.app:build"
JOINT_POLICY = "serve.autoscaling_policy:JointPolicy"
SHIPPED_FOLDER = Path(__file__).resolve().parents[1]
DEFAULT_HOST = "127.0.0.1"
APPLICATION = "applications[0]"


AnyModel = TypeVar("AnyModel", bound=BaseModel)


class ConfigFileError(ValueError):
    """Name the file, the key and the fault, in a message that can be shown to the user."""


@dataclass(frozen=True)
class ServeFile:
    """The contents of one file: the service's settings in `config`, and Ray Serve's in `deploy`."""

    path: Path
    config: ServiceConfig
    host: str
    port: int
    deploy: ServeDeploySchema


def load(path: str | Path) -> ServeFile:
    """Read a Serve file. Raises ConfigFileError."""
    place = _find(Path(path))
    try:
        return _parsed(place, _read(place))
    except (UnknownKey, UnservedKey, yaml.YAMLError) as error:
        raise ConfigFileError(f"{place}: {error}") from error


def _find(path: Path) -> Path:
    """Find a file at the given path, or else beside this package.

    So `serve/local.yaml` also works outside the checkout.
    """
    for place in (path, SHIPPED_FOLDER.parent / path):
        if place.is_file():
            return place
    shipped = ", ".join(f"serve/{file.name}" for file in sorted(SHIPPED_FOLDER.glob("*.yaml")))
    raise ConfigFileError(f"there is no file {path}; Scenewright comes with {shipped}")


def _read(place: Path) -> dict[str, Any]:
    try:
        content = yaml.load(place.read_text(encoding="utf-8-sig"), _OneMeaning)  # noqa: S506 (a SafeLoader)  # nosec B506
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigFileError(f"{place} cannot be read: {error}") from error
    except RecursionError as error:
        raise ConfigFileError(f"{place} is nested too deeply") from error
    except (ValueError, TypeError, AttributeError) as error:  # From PyYAML, for a date such as 2026-02-30.
        raise ConfigFileError(f"{place}: a value is invalid: {error}") from error
    if not isinstance(content, dict):
        raise ConfigFileError(f"{place} is not a Serve configuration: it has no keys")
    return content


def _parsed(place: Path, content: dict[str, Any]) -> ServeFile:
    check_keys(content, ServeDeploySchema)
    applications = content.get("applications")
    if not isinstance(applications, list) or len(applications) != 1 or not isinstance(applications[0], dict):
        raise ConfigFileError(f"{place}: applications must list exactly one application")
    application = applications[0]
    if application.get("import_path") != IMPORT_PATH:
        raise ConfigFileError(f"{place}: {APPLICATION}.import_path must be {IMPORT_PATH}")
    arguments = application.get("args") or {}
    check_keys(arguments, ServiceConfig, f"{APPLICATION}.args")
    deploy = _validated(ServeDeploySchema, content, place, "")
    config = _validated(ServiceConfig, arguments, place, f"{APPLICATION}.args")
    refuse_unserved(content, deploy, config)
    _check_finite(content)
    try:
        _check_policy(deploy.applications[0].autoscaling_policy or {})
    except (TypeError, ValueError) as error:
        raise ConfigFileError(f"{place}: {APPLICATION}.autoscaling_policy: {error}") from error
    http = content.get("http_options") or {}
    return ServeFile(
        place,
        config,
        # Not the schema's default, which is every interface of the machine.
        str(http.get("host", DEFAULT_HOST)),
        deploy.http_options.port,
        deploy,
    )


def _check_finite(value: Any, path: str = "") -> None:
    """Raise UnservedKey for a number that is not finite.

    Serve's own schema accepts infinity for most of its numbers, and would wait that long.
    """
    if isinstance(value, dict):
        for key, item in value.items():
            _check_finite(item, f"{path}.{key}" if path else str(key))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            _check_finite(item, f"{path}[{index}]")
    elif isinstance(value, float) and not math.isfinite(value):
        raise UnservedKey(f"{path} must be a finite number")


def _validated(model: type[AnyModel], content: dict[str, Any], place: Path, path: str) -> AnyModel:
    try:
        return model.model_validate(content)
    except ValidationError as error:
        raise ConfigFileError(f"{place}: {_first_fault(error, path)}") from error
    except (ImportError, AttributeError, NotImplementedError, TypeError) as error:
        # Raised by Ray's validators: some import what a key names, and some raise what pydantic lets through.
        raise ConfigFileError(f"{place}: {error}") from error


def _check_policy(policy: dict[str, Any]) -> None:
    """Check an autoscaling policy. Raises TypeError and ValueError.

    Otherwise Ray would find a wrong goal only in its controller, once deployed.
    """
    check_keys(policy, AutoscalingPolicy)
    if policy.get("policy_function") == JOINT_POLICY:
        check_keys(policy.get("policy_kwargs") or {}, Goal, "policy_kwargs")
        Goal(**policy.get("policy_kwargs") or {})


def _first_fault(error: ValidationError, path: str) -> str:
    fault = error.errors(include_url=False, include_context=False)[0]
    for part in fault["loc"]:
        path += f"[{part}]" if isinstance(part, int) else f".{part}"
    return f"{path.lstrip('.')}: {fault['msg'][0].lower()}{fault['msg'][1:]}".lstrip(": ")


class _OneMeaning(yaml.SafeLoader):
    """YAML's safe loader, except that it refuses equal keys instead of keeping the last one."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[str] = set()
        for key, _ in node.value:
            line = key.start_mark.line + 1
            if not isinstance(key.value, str):
                raise yaml.YAMLError(f"the key at line {line} is not plain text")
            if key.value in seen:
                raise yaml.YAMLError(
                    f"the key {key.value} appears twice in one mapping: again at line {line}"
                )
            seen.add(key.value)
        return super().construct_mapping(node, deep)
