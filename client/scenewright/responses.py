"""The service's responses as Python objects."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from PIL import Image


@dataclass(frozen=True)
class _Painted:
    """A picture. `data` is the unchanged file, in `format`: jpeg, png or webp.

    If the request's `output` is `{"as": "url"}`, `data` is empty, and `url` is a signed link to the file that
    needs no key and expires at `expires_at`, in seconds since 1970.
    """

    data: bytes
    format: str
    url: str | None = field(default=None, kw_only=True)
    expires_at: int | None = field(default=None, kw_only=True)

    def save(self, path: str | Path) -> None:
        """Write the file unchanged; the suffix does not convert it. Raises ValueError for a link."""
        Path(path).write_bytes(self._file())

    def _file(self) -> bytes:
        if self.url is not None:
            raise ValueError("this picture was returned as a link: fetch its url")
        return self.data

    @cached_property
    def image(self) -> Image.Image:
        """Return the picture as a Pillow image, decoded when first used. Raises ValueError for a link."""
        from PIL import Image

        return Image.open(BytesIO(self._file()))


@dataclass(frozen=True)
class Scene(_Painted):
    """A painted scene. `seeds` are empty if nothing was painted.

    `layers`, if they were requested, are PNG files: `character` (the cut-out figure), `background` (the
    painted place), `mask` (the figure's alpha) and `painted` (the figure before it was cut out). A merge of
    the first two with the same options gives the same picture. With several figures, the layers and seeds
    are named `character-0`, `mask-0`, `painted-0` and so on. `cast` gives, under the same names, the members
    of the cast that are shown: `name`, `version`, and `consistency` if it was measured. Layers that came as
    links are in `layer_urls`.

    `usage` holds `device_s`, the scene's share of the devices' time, and `megapixel_steps`.
    """

    seeds: dict[str, int]
    merge: dict[str, Any]
    degraded: list[str]
    timings_ms: dict[str, float]
    backend: str
    id: str
    layers: dict[str, bytes] = field(default_factory=dict)
    layer_urls: dict[str, str] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    cast: dict[str, dict[str, Any]] = field(default_factory=dict)
    usage: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Layer(_Painted):
    """One painted layer."""

    seed: int
    degraded: list[str]
    timings_ms: dict[str, float]
    model: str
    backend: str
    id: str
    warnings: list[str] = field(default_factory=list)
    cast: dict[str, Any] = field(default_factory=dict)
    usage: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Queued:
    """A layer waits for `ahead` others, including those being painted; 0 when its turn has come.

    `index` says which of several characters it is, here and in the events below.
    """

    layer: str
    ahead: int
    index: int | None = None


@dataclass(frozen=True)
class Progress:
    """A layer has done `step` of `steps`. On some steps, `preview` is a small JPEG."""

    layer: str
    step: int
    steps: int
    preview: bytes | None = None
    index: int | None = None


@dataclass(frozen=True)
class LayerDone:
    """A layer is painted, and waits for the others."""

    layer: str
    seed: int
    degraded: list[str]
    index: int | None = None


@dataclass(frozen=True)
class ScenePreview:
    """A small JPEG of all layers together, so far."""

    data: bytes


@dataclass(frozen=True)
class JobEvent:
    """`job.progress`, `scene.ended` or `job.ended`, with its data."""

    name: str
    data: dict[str, Any]


SceneEvent = Queued | Progress | LayerDone | ScenePreview | Scene


def scene_of(body: dict[str, Any], backend: str) -> Scene:
    """Read a scene. Like all functions here, raises KeyError, TypeError or ValueError for another format."""
    layers = body.get("layers") or {}
    return Scene(
        **_picture(body),
        **{name: body[name] for name in ("id", "merge", "degraded", "timings_ms")},
        seeds={name: seed for name, seed in _flat(body["seeds"]) if seed is not None},
        backend=backend,
        layers={
            name: base64.b64decode(picture["b64_json"])
            for name, picture in _flat(layers)
            if picture.get("url") is None
        },
        layer_urls={
            name: picture["url"] for name, picture in _flat(layers) if picture.get("url") is not None
        },
        warnings=body.get("warnings", []),
        cast={name: shown for name, shown in _flat(body.get("cast") or {}) if shown is not None},
        usage=body.get("usage", {}),
    )


SINGULAR = {"characters": "character", "masks": "mask"}


def _flat(parts: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yield each part with its name. Those of several figures get an index, such as `character-0`."""
    for name, part in parts.items():
        if isinstance(part, list):
            yield from ((f"{SINGULAR.get(name, name)}-{index}", each) for index, each in enumerate(part))
        else:
            yield name, part


def layer_of(body: dict[str, Any], backend: str) -> Layer:
    return Layer(
        **_picture(body),
        **{name: body[name] for name in ("id", "seed", "degraded", "timings_ms", "model")},
        backend=backend,
        warnings=body.get("warnings", []),
        cast=body.get("cast") or {},
        usage=body.get("usage", {}),
    )


def scene_event_of(name: str, data: dict[str, Any], backend: str) -> SceneEvent | None:
    """Read a scene's event. Returns None for an event that only a later version knows."""
    if name == "layer.progress":
        preview = base64.b64decode(data["preview"]) if "preview" in data else None
        return Progress(data["layer"], data["step"], data["steps"], preview, data.get("index"))
    if name == "layer.queued":
        return Queued(data["layer"], data["ahead"], data.get("index"))
    if name == "layer.completed":
        return LayerDone(data["layer"], data["seed"], data["degraded"], data.get("index"))
    if name == "scene.preview":
        return ScenePreview(base64.b64decode(data["preview"]))
    return scene_of(data, backend) if name == "scene.completed" else None


def _picture(body: dict[str, Any]) -> dict[str, Any]:
    image = body["image"]
    if image.get("url") is not None:
        link = {"url": str(image["url"]), "expires_at": image["expires_at"]}
        return {"data": b"", "format": image["format"], **link}
    return {"data": base64.b64decode(image["b64_json"]), "format": image["format"]}
