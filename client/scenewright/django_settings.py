"""Apply a Django project's STABLE_DIFFUSION_CONFIG and IMAGE_MERGE_CONFIG to a service's settings."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Any

log = logging.getLogger(__name__)

LAYERS = ("character", "background")
LARGEST_SIDE_PX, MOST_STEPS, MOST_GUIDANCE = 8_192, 10_000, 1_000
"""The service's bounds for its own settings, so that an error here names the Django setting."""
DTYPES = {"fp16": "float16", "half": "float16", "fp32": "float32", "bf16": "bfloat16"}
BLEND_MODES = {"alpha": "paste", "normal": "paste", "paste": "paste", "auto": "auto", "cutout": "cutout"}


def lay_django_over(settings: dict[str, Any], django: Any) -> dict[str, Any]:
    """Apply Django's settings to `settings`, a ServiceConfig as plain data.

    Changes `settings` in place and returns it. Raises ValueError naming the wrong setting.
    """
    has = django if isinstance(django, Mapping) else {name: getattr(django, name, None) for name in READERS}
    found = {name: has[name] for name in READERS if has.get(name) is not None}
    if not found:
        raise ValueError(f"the settings have neither {' nor '.join(READERS)}")
    for name, given in found.items():
        if not isinstance(given, Mapping):
            raise ValueError(f"{name} must be a dictionary")
        for key, value in given.items():
            reader = READERS[name].get(key)
            if reader is None:
                raise ValueError(
                    f"{name}[{key!r}] is not a known setting; known are {', '.join(READERS[name])}"
                )
            try:
                reader(settings, value)
            except (TypeError, ValueError) as error:
                raise ValueError(f"{name}[{key!r}] {error}") from None
    limits, frame = settings["limits"], settings["merge"]
    # Django's max_resolution bounds the painted layers. Its target_size, the merged frame, may be larger.
    limits["max_frame_size"] = max(limits["max_image_size"], frame["width"], frame["height"])
    return settings


def _model(name: str, read: Any) -> Any:
    def lay(settings: dict[str, Any], value: Any) -> None:
        for kind in LAYERS:
            settings[kind]["generator"]["model"][name] = read(value)

    return lay


def _default(name: str, read: Any) -> Any:
    def lay(settings: dict[str, Any], value: Any) -> None:
        for kind in LAYERS:
            settings[kind]["defaults"][name] = read(value)

    return lay


def _device(settings: dict[str, Any], value: Any) -> None:
    device = str(value).partition(":")[0]
    for kind in LAYERS:
        settings[kind]["generator"]["model"]["device"] = _one_of(("auto", "cpu", "cuda"))(device)
        settings[kind]["replicas"]["num_gpus"] = int(device == "cuda")  # Ray chooses which one.


def _safety_checker(settings: dict[str, Any], value: Any) -> None:
    if value not in (None, False):
        log.warning("safety_checker is set, but Scenewright has none: pictures are not checked")


def _max_resolution(settings: dict[str, Any], value: Any) -> None:
    settings["limits"]["max_image_size"] = max(
        _pair(value) if isinstance(value, (tuple, list)) else (_side(value),)
    )


def _target_size(settings: dict[str, Any], value: Any) -> None:
    settings["merge"]["width"], settings["merge"]["height"] = _pair(value)


def _merge(name: str, read: Any) -> Any:
    return lambda settings, value: settings["merge"].update({name: read(value)})


def _dtype(value: Any) -> str:
    name = str(value).removeprefix("torch.")  # torch.float16 itself, or its name
    return _one_of(("auto", "float32", "float16", "bfloat16"))(DTYPES.get(name, name))


def _blend_mode(value: Any) -> str:
    return BLEND_MODES[_one_of(tuple(BLEND_MODES))(value)]


def _one_of(allowed: tuple[str, ...]) -> Callable[[Any], str]:
    def read(value: Any) -> str:
        if value not in allowed:
            raise ValueError(f"must be one of {', '.join(allowed)}, not {value!r}")
        return str(value)

    return read


def _text(value: Any) -> str:
    if not isinstance(value, str) or not value.strip():
        raise ValueError(f"must be a non-empty string, not {value!r}")
    return value


def _switch(value: Any) -> bool:
    if not isinstance(value, bool):
        raise ValueError(f"must be True or False, not {value!r}")
    return value


def _whole(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise ValueError(f"must be a whole number above 0, not {value!r}")
    return value


def _at_most(most: int) -> Callable[[Any], int]:
    def read(value: Any) -> int:
        if _whole(value) > most:
            raise ValueError(f"must be at most {most}, not {value!r}")
        return _whole(value)

    return read


def _number(value: Any) -> float:
    if not isinstance(value, (int, float)) or isinstance(value, bool) or not 0 <= value <= MOST_GUIDANCE:
        raise ValueError(f"must be a number from 0 to {MOST_GUIDANCE}, not {value!r}")
    return float(value)


def _pair(value: Any) -> tuple[int, int]:
    if not isinstance(value, (tuple, list)) or len(value) != 2:
        raise ValueError(f"must be (width, height), not {value!r}")
    return _side(value[0]), _side(value[1])


_side = _at_most(LARGEST_SIDE_PX)


READERS: dict[str, dict[str, Any]] = {
    "STABLE_DIFFUSION_CONFIG": {
        "model_id": _model("source", _text),
        "device": _device,
        "torch_dtype": _model("dtype", _dtype),
        "enable_attention_slicing": _model("attention_slicing", _switch),
        "enable_xformers": _model("xformers", _switch),
        "safety_checker": _safety_checker,
        "default_steps": _default("num_inference_steps", _at_most(MOST_STEPS)),
        "default_guidance": _default("guidance_scale", _number),
        "max_resolution": _max_resolution,
    },
    "IMAGE_MERGE_CONFIG": {
        "target_size": _target_size,
        "quality": _merge("quality", _at_most(100)),
        "character_position": _merge("position", _one_of(("left", "center", "right"))),
        "blend_mode": _merge("mode", _blend_mode),
    },
}
