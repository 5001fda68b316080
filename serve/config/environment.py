"""Apply the documented environment variables to the settings of a file."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from .model_names import names_of
from .request_limits import LARGEST_PX

LAYERS = ("character", "background")
VARIABLES = {
    "allowed_hosts": "SCENEWRIGHT_ALLOWED_HOSTS",
    "allowed_origins": "SCENEWRIGHT_ALLOWED_ORIGINS",
    "jobs.database": "SCENEWRIGHT_DATABASE",
    "jobs.pictures": "SCENEWRIGHT_PICTURES",
    "state_dir": "SCENEWRIGHT_STATE_DIR",
    "tracing.endpoint": "OTEL_EXPORTER_OTLP_ENDPOINT",
}
"""Variables whose value only the field's own type checks, by the field that they set."""


def lay_environment_over(settings: dict[str, Any], environment: Mapping[str, str]) -> dict[str, Any]:
    """Apply the environment to `settings`, a ServiceConfig as plain data.

    Changes `settings` in place and returns it. Raises ValueError naming the variable.
    """
    limits = settings["limits"]
    xformers, slicing = _switch(environment, "USE_XFORMERS"), _switch(environment, "ATTENTION_SLICING")
    steps = _number(environment, "DEFAULT_STEPS", 1, limits["max_steps"], whole=True)
    guidance = _number(environment, "DEFAULT_GUIDANCE", 0, limits["max_guidance"])
    size = _number(environment, "MAX_IMAGE_SIZE", limits["min_image_size"], LARGEST_PX, whole=True)
    for kind in LAYERS:
        source = _text(environment, f"{kind.upper()}_MODEL") or _text(environment, "DIFFUSION_MODEL")
        if source:
            settings[kind] = _painted_first_by(source, settings[kind])
        for each in (settings[kind], *settings[kind]["models"]):
            _lay(each["generator"]["model"], xformers=xformers, attention_slicing=slicing)
            _lay(each["defaults"], num_inference_steps=steps, guidance_scale=guidance)
    _lay(limits, max_image_size=size)
    _lay(settings["tracing"], endpoint=_text(environment, "OTEL_EXPORTER_OTLP_ENDPOINT") or None)
    hosts, origins = (
        [name.strip() for name in listed.split(",") if name.strip()]
        for listed in (
            _text(environment, "SCENEWRIGHT_ALLOWED_HOSTS"),
            _text(environment, "SCENEWRIGHT_ALLOWED_ORIGINS"),
        )
    )
    _lay(settings, allowed_hosts=hosts or None, allowed_origins=origins or None)
    _lay(settings["jobs"], database=_text(environment, "SCENEWRIGHT_DATABASE") or None)
    _lay(settings["jobs"], pictures=_text(environment, "SCENEWRIGHT_PICTURES") or None)
    _lay(settings, state_dir=_text(environment, "SCENEWRIGHT_STATE_DIR") or None)
    return settings


def _painted_first_by(source: str, layer: dict[str, Any]) -> dict[str, Any]:
    """Make `source` the layer's first model: move it there if listed, else replace the first one's source."""
    first, others = {key: layer[key] for key in layer if key != "models"}, list(layer["models"])
    for number, other in enumerate(others):
        if source in names_of(other["generator"]["model"]["source"]):
            return {**others.pop(number), "models": [first, *others]}
    first["generator"]["model"]["source"] = source
    return {**first, "models": others}


def first_fault(error: ValidationError) -> str:
    """Return a sentence about the first fault in settings that the environment was applied to."""
    fault = error.errors(include_url=False, include_context=False, include_input=False)[0]
    field = ".".join(str(part) for part in fault["loc"])
    name = next((name for place, name in VARIABLES.items() if field.startswith(place)), field)
    message = fault["msg"].removeprefix("Value error, ")
    return f"{name}: {message[0].lower()}{message[1:]}" if name else message


def _lay(settings: dict[str, Any], **given: Any) -> None:
    settings.update({name: value for name, value in given.items() if value is not None})


def _text(environment: Mapping[str, str], name: str) -> str:
    return environment.get(name, "").strip()


def _switch(environment: Mapping[str, str], name: str) -> bool | None:
    value = _text(environment, name).lower()
    if value in ("", "1", "true", "yes", "on", "0", "false", "no", "off"):
        return None if not value else value in ("1", "true", "yes", "on")
    raise ValueError(f"{name} must be true or false, not {value!r}")


def _number(
    environment: Mapping[str, str], name: str, least: float, most: float, whole: bool = False
) -> float | None:
    value = _text(environment, name)
    if not value:
        return None
    try:
        number = int(value) if whole else float(value)
    except ValueError:
        number = float("nan")
    if not least <= number <= most:
        kind = "a whole number" if whole else "a number"
        raise ValueError(f"{name} must be {kind} from {least:g} to {most:g}, not {value!r}")
    return number
