"""Make a scene's request of the options of `scenewright scene`."""

from __future__ import annotations

from typing import Any

import click

from ..choices import MAX_REFERENCES

START = ("image", "mask", "strength")


def further_layer(prompt: str, options: dict[str, Any]) -> dict[str, Any]:
    """Return the layer of another figure, with the options that apply to all layers."""
    return _given(prompt=prompt, num_inference_steps=options["steps"], speed=_speed(options))


def _speed(options: dict[str, Any]) -> dict[str, int] | None:
    cache = options["guidance_cache"]
    return None if cache is None else {"cache": cache}


def layer_of(prompt: str, options: dict[str, Any], kind: str) -> dict[str, Any]:
    """Return the layer of the first character or of the background. Raises click.BadParameter."""
    prefix = "" if kind == "character" else f"{kind}_"
    return _given(
        prompt=prompt,
        seed=options[f"{kind}_seed"],
        model=options[f"{kind}_model"],
        num_inference_steps=options["steps"],
        speed=_speed(options),
        loras=list(options[f"{kind}_lora"]) or None,
        **_start(options, prefix),
        **_guides(options, prefix),
    )


def _start(options: dict[str, Any], prefix: str) -> dict[str, Any]:
    """Return a layer's picture, mask and strength. Raises click.BadParameter for a missing picture."""
    start = {name: options[prefix + name] for name in START}
    if start["image"] is None:
        for name in (each for each in START if start[each] is not None):
            flags = [f"--{prefix}{each}".replace("_", "-") for each in (name, "image")]
            raise click.BadParameter(f"requires {flags[1]}", param_hint=flags[0])
    return start


def _guides(options: dict[str, Any], prefix: str) -> dict[str, Any]:
    """Return a layer's references and its pose. Raises click.BadParameter."""
    references, flag = options[f"{prefix}references"], f"--{prefix}reference".replace("_", "-")
    scale = options[f"{prefix}reference_scale"]
    pose, pose_scale = (options.get(f"{prefix}{name}") for name in ("pose", "pose_scale"))
    if len(references) > MAX_REFERENCES:
        raise click.BadParameter(f"at most {MAX_REFERENCES} references are allowed", param_hint=flag)
    if scale is not None and not references:
        raise click.BadParameter(f"requires {flag}", param_hint=f"{flag}-scale")
    if pose_scale is not None and pose is None:
        raise click.BadParameter("requires --pose", param_hint="--pose-scale")
    return _given(
        references=list(references) or None, reference_scale=scale, pose=pose, pose_scale=pose_scale
    )


def fields_of(options: dict[str, Any], positions_given: list[Any], wire_format: str | None) -> dict[str, Any]:
    """Return the request's fields besides the layers. The service's defaults fill in the rest."""
    merge = _given(
        position=positions_given[0] if positions_given else None,
        **{name: options[name] for name in ("mode", "width", "height")},
    )
    switches = {name: True for name in ("enhance", "attribution", "layers") if options[name]}
    rest = _given(seed=options["seed"], fallback=options["fallback"], merge=merge or None)
    return {**rest, **switches, "output": _given(format=wire_format)}


def _given(**values: Any) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}
