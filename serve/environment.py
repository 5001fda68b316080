"""The documented environment names, laid over the settings of a file."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

LARGEST_PX = 8_192
"""The longest side that any service may be set to."""
LAYERS = ("character", "background")


def lay_environment_over(settings: dict[str, Any], environment: Mapping[str, str]) -> dict[str, Any]:
    """`settings` is a ServiceConfig as plain data, and is changed. Raises ValueError naming the variable."""
    limits = settings["limits"]
    xformers, slicing = _switch(environment, "USE_XFORMERS"), _switch(environment, "ATTENTION_SLICING")
    steps = _number(environment, "DEFAULT_STEPS", 1, limits["max_steps"], whole=True)
    guidance = _number(environment, "DEFAULT_GUIDANCE", 0, limits["max_guidance"])
    size = _number(environment, "MAX_IMAGE_SIZE", limits["min_image_size"], LARGEST_PX, whole=True)
    for kind in LAYERS:
        model, defaults = settings[kind]["generator"]["model"], settings[kind]["defaults"]
        source = _text(environment, f"{kind.upper()}_MODEL") or _text(environment, "DIFFUSION_MODEL")
        _lay(model, source=source or None, xformers=xformers, attention_slicing=slicing)
        _lay(defaults, num_inference_steps=steps, guidance_scale=guidance)
    _lay(limits, max_image_size=size)
    _lay(settings["tracing"], endpoint=_text(environment, "OTEL_EXPORTER_OTLP_ENDPOINT") or None)
    hosts = [name.strip() for name in _text(environment, "SCENEWRIGHT_ALLOWED_HOSTS").split(",")]
    _lay(settings, allowed_hosts=[name for name in hosts if name] or None)
    _lay(settings, state_dir=_text(environment, "SCENEWRIGHT_STATE_DIR") or None)
    return settings


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
