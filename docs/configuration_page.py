"""Write docs/configuration.md from the settings' models: `python -m docs.configuration_page`."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from serve.config.service_config import ServiceConfig
from serve.http.connection_limits import NAMES, ConnectionLimits

from .configuration_meanings import MEANINGS, REPLICAS
from .configuration_variables import PROXY_VARIABLES, VARIABLES

Schema = dict[str, Any]

HEAD = """# Configuration

Made by `python -m docs.configuration_page`; a test keeps it true.

A configuration file is Ray Serve's own, in YAML. The service's settings are the `args` of its one application:

```yaml
applications:
  - name: scenewright
    import_path: serve.app:build
    route_prefix: /
    args:
      character: {generator: {model: {source: storybook-character}}, defaults: {num_inference_steps: 20}}
      limits: {max_steps: 60}
```

`serve/local.yaml`, `serve/gpu.yaml` and `serve/simulated.yaml` are whole files to start from. Flags win over the environment,
which wins over the file, which wins over the defaults below. An unknown key is refused with a guess of what was meant, and
so is a key that would do nothing. `scenewright serve --check --config FILE` checks a file and starts nothing.

Ray Serve's keys beside `applications`, such as `http_options` and `logging_config`, are described in
[Ray's documentation](https://docs.ray.io/en/latest/serve/configure-serve-deployment.html). A Django project's
`STABLE_DIFFUSION_CONFIG` and `IMAGE_MERGE_CONFIG` are read by `ServiceConfig.from_django(settings)`
([Story Agent and Django](guides/story-agent.md)).

"""


def page() -> str:
    """Return the whole file."""
    schema = ServiceConfig.model_json_schema()
    parts = [HEAD, *_environment(), "## The file\n\n", *_table("ServiceConfig", schema, "")]
    for title, paths in _places(schema).items():
        parts += [f"### {', '.join(f'`{path}`' for path in paths)}\n\n"]
        parts += _table(title, schema["$defs"][title], paths[0])
    return "".join(parts)


def meaning(title: str, key: str) -> str:
    """Return what a key means. Raises KeyError if it is not documented."""
    own = MEANINGS[title]
    return own[key] if key in own else REPLICAS[key]


def _places(schema: Schema) -> dict[str, list[str]]:
    """Return the paths of each settings model, in the order of the file."""
    found: dict[str, list[str]] = {}

    def walk(title: str, path: str) -> None:
        part = schema if title == "ServiceConfig" else schema["$defs"][title]
        for key, value in part["properties"].items():
            if (inner := _model_in(value)) and inner != "ModelSettings":  # It has its layer's keys.
                place = f"{path}.{key}" if path else key
                found.setdefault(inner, []).append(place)
                walk(inner, place)

    walk("ServiceConfig", "")
    return found


def _model_in(value: Schema) -> str | None:
    """Return the name of the settings model that a value is, or is a list of, or None."""
    for each in (value, value.get("items", {}), *value.get("anyOf", [])):
        if "$ref" in each:
            return str(each["$ref"].rpartition("/")[2])
    return None


def _table(title: str, part: Schema, path: str) -> Iterator[str]:
    yield "| key | type | default | meaning |\n|---|---|---|---|\n"
    required = part.get("required", [])
    for key, value in part["properties"].items():
        default = "required" if key in required else _default(value)
        yield f"| `{key}` | {_kind(value)} | {default} | {meaning(title, key)} |\n"
    yield "\n"


def _default(value: Schema) -> str:
    if "default" not in value:
        return "see below" if _model_in(value) else "`{}`"
    default = value["default"]
    return "see below" if isinstance(default, dict) and _model_in(value) else f"`{json.dumps(default)}`"


def _kind(value: Schema) -> str:
    """Return the type of a value, and its bounds, in words."""
    if "anyOf" in value:
        kinds = [_kind(each) for each in value["anyOf"] if each.get("type") != "null"]
        return " or ".join([*kinds, "null"])
    if "$ref" in value:
        return "mapping"
    if "enum" in value:
        return ", ".join(f"`{each}`" for each in value["enum"])
    if value["type"] == "array":
        items = value.get("items") or value["prefixItems"][0]
        return f"list of {_kind(items)}"
    if value["type"] == "object":
        return "mapping"
    return {"string": "text", "boolean": "`true`, `false`"}.get(value["type"]) or _number(value)


def _number(value: Schema) -> str:
    least = value.get("minimum", value.get("exclusiveMinimum"))
    above = "above " if "exclusiveMinimum" in value else ""
    kind = "integer" if value["type"] == "integer" else "number"
    return f"{kind}, {above}{least:g} to {_short(value['maximum'])}"


def _short(most: float) -> str:
    """Write a bound as a person would: 1 TiB, 1,000,000."""
    for exponent, unit in ((50, "PiB"), (40, "TiB")):
        if most >= 1 << exponent and most % (1 << exponent) == 0:
            return f"{most / (1 << exponent):g} {unit}"
    return f"{most:g}" if most < 1e6 else f"{most:,.0f}"


def _environment() -> Iterator[str]:
    yield "## The environment\n\n| variable | sets |\n|---|---|\n"
    for name, sets in VARIABLES.items():
        yield f"| `{name}` | {sets} |\n"
    yield (
        "\nProxies read no file of ours. These are set on every node before Ray starts; `scenewright serve` passes them"
        " on:\n\n| variable | default | bounds | meaning |\n|---|---|---|---|\n"
    )
    fields = {variable: (field, least, most) for field, (variable, _, least, most) in NAMES.items()}
    for name, means in PROXY_VARIABLES.items():
        default = bounds = ""
        if name in fields:
            field, least, most = fields[name]
            default = f"`{getattr(ConnectionLimits(), field) or 'none'}`"
            bounds = f"{least:g} to {_short(most)}" if least is not None else ""
        yield f"| `{name}` | {default} | {bounds} | {means} |\n"
    yield (
        "\nTorch, Ray, fsspec (`AWS_…`) and the hub (`HF_HOME`, `HF_TOKEN`) read their own variables, and"
        " `scenewright` reads `SCENEWRIGHT_URL` and `SCENEWRIGHT_API_KEY`, the service that its commands call.\n\n"
    )


if __name__ == "__main__":
    Path(__file__).with_name("configuration.md").write_text(page(), encoding="utf-8")
