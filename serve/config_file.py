"""Reading a Serve configuration file such as serve/local.yaml, and refusing what Serve would overlook."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError
from ray.serve.config import AutoscalingPolicy
from ray.serve.schema import ServeDeploySchema

from .autoscaling import Goal
from .config import ServiceConfig
from .known_keys import UnknownKey, check_keys

IMPORT_PATH = "serve.app:build"
JOINT_POLICY = "serve.autoscaling_policy:JointPolicy"
SHIPPED_FOLDER = Path(__file__).resolve().parent
DEFAULT_HOST, DEFAULT_PORT = "127.0.0.1", 8000
APPLICATION = "applications[0]"
NEEDS_SERVE_RUN = ("deployments", "autoscaling_policy", "runtime_env", "external_scaler_enabled")


class ConfigFileError(ValueError):
    """Names the file, the key and the fault, fit to be shown as it is."""


@dataclass(frozen=True)
class ServeFile:
    """What one file asks for. `cluster_only` are keys that only Ray's own `serve run` heeds."""

    path: Path
    config: ServiceConfig
    host: str
    port: int
    proxy_location: str
    cluster_only: tuple[str, ...] = ()


def load(path: str | Path) -> ServeFile:
    """Raises ConfigFileError."""
    place = _find(Path(path))
    try:
        return _parsed(place, _read(place))
    except (UnknownKey, yaml.YAMLError) as error:
        raise ConfigFileError(f"{place}: {error}") from error


def _find(path: Path) -> Path:
    """As given, else beside this package: `serve/local.yaml` also works away from the checkout."""
    for place in (path, SHIPPED_FOLDER.parent / path):
        if place.is_file():
            return place
    shipped = ", ".join(f"serve/{file.name}" for file in sorted(SHIPPED_FOLDER.glob("*.yaml")))
    raise ConfigFileError(f"there is no file {path}; the ones that come with Scenewright are {shipped}")


def _read(place: Path) -> dict[str, Any]:
    try:
        content = yaml.load(place.read_text(encoding="utf-8-sig"), _OneMeaning)  # noqa: S506 (a SafeLoader)  # nosec B506
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigFileError(f"{place} cannot be read: {error}") from error
    if not isinstance(content, dict):
        raise ConfigFileError(f"{place} is not a Serve configuration: it holds no keys")
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
    try:
        deploy = ServeDeploySchema.model_validate(content)
    except ValidationError as error:
        raise ConfigFileError(f"{place}: {_first_fault(error, '')}") from error
    try:
        config = ServiceConfig.model_validate(arguments)
    except ValidationError as error:
        raise ConfigFileError(f"{place}: {_first_fault(error, f'{APPLICATION}.args')}") from error
    try:
        _check_policy(deploy.applications[0].autoscaling_policy or {})
    except (TypeError, ValueError) as error:
        raise ConfigFileError(f"{place}: {APPLICATION}.autoscaling_policy: {error}") from error
    http = content.get("http_options") or {}
    return ServeFile(
        place,
        config,
        # Not the schema's default: Serve's own is every interface of the machine.
        str(http.get("host", DEFAULT_HOST)),
        int(http.get("port", DEFAULT_PORT)),
        deploy.proxy_location.value,
        tuple(f"{APPLICATION}.{key}" for key in NEEDS_SERVE_RUN if application.get(key)),
    )


def _check_policy(policy: dict[str, Any]) -> None:
    """Ray would find a wrong goal only in its controller, once deployed. Raises TypeError and ValueError."""
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
    """YAML's safe loader, less the habit of letting the last of two equal keys win."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[str] = set()
        for key, _ in node.value:
            if key.value in seen:
                line = key.start_mark.line + 1
                raise yaml.YAMLError(f"the key {key.value} stands twice in one mapping, again at line {line}")
            if isinstance(key.value, str):
                seen.add(key.value)
        return super().construct_mapping(node, deep)
