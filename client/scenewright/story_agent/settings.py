"""Read a Django project's settings: where the service is, and what the project asks of it."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

from ..choices import LayerKind
from ..django_settings import READERS, lay_django_over
from ..synchronous import Scenewright

DEFAULT_URL = "http://127.0.0.1:8000"
SIZES: dict[LayerKind, tuple[int, int]] = {"character": (384, 512), "background": (512, 384)}
"""Width and height in pixels, unless the project or the service's model needs another size."""


@dataclass(frozen=True)
class MergeSettings:
    """The settings of IMAGE_MERGE_CONFIG, for a request's `merge` and `output`."""

    mode: str = "auto"
    position: str = "right"
    width: int = 1024
    height: int = 512
    quality: int = 95


@dataclass(frozen=True)
class AgentSettings:
    """The service's address, and what a project sets; None leaves a choice to the service.

    The running service chooses its own models and devices, whatever the project's settings name.
    """

    url: str = DEFAULT_URL
    api_key: str | None = field(default=None, repr=False)
    num_inference_steps: int | None = None
    guidance_scale: float | None = None
    max_image_size: int | None = None
    merging: MergeSettings = MergeSettings()

    @classmethod
    def from_django(cls, settings: Any = None) -> AgentSettings:
        """Read the project's settings, or those given. Raises ValueError naming an invalid setting."""
        if settings is None:
            from django import conf

            settings = conf.settings
        url = getattr(settings, "SCENEWRIGHT_URL", None) or DEFAULT_URL
        key = getattr(settings, "SCENEWRIGHT_API_KEY", None)
        if all(getattr(settings, name, None) is None for name in READERS):
            return cls(url, key)
        found = lay_django_over(_nothing_set(), settings)
        defaults, limits = found["character"]["defaults"], found["limits"]
        return cls(
            url,
            key,
            defaults.get("num_inference_steps"),
            defaults.get("guidance_scale"),
            limits["max_image_size"] or None,
            MergeSettings(**found["merge"]),
        )

    def connect(self) -> Scenewright:
        """Connect to the service. Raises NotSent for an invalid address, key or environment."""
        return Scenewright(self.url, self.api_key)

    def size(self, kind: LayerKind) -> tuple[int, int]:
        """Return a layer's width and height in pixels, within the project's max_resolution."""
        width, height = SIZES[kind]
        most = self.max_image_size or max(width, height)
        return min(width, most), min(height, most)

    def layer(self, kind: LayerKind) -> dict[str, Any]:
        """Return a layer's request without its prompt, with a size only if the project limits it."""
        settings = {"num_inference_steps": self.num_inference_steps, "guidance_scale": self.guidance_scale}
        request: dict[str, Any] = {name: value for name, value in settings.items() if value is not None}
        if self.size(kind) != SIZES[kind]:
            request["width"], request["height"] = self.size(kind)
        return request

    def merge(self) -> dict[str, Any]:
        """Return the `merge` of a request."""
        settings = self.merging
        return {
            "mode": settings.mode,
            "position": settings.position,
            "width": settings.width,
            "height": settings.height,
        }


def _nothing_set() -> dict[str, Any]:
    """Return empty settings for `lay_django_over` to write into, with defaults for those read here."""
    layers: dict[str, Any] = {
        kind: {"generator": {"model": {}}, "replicas": {}, "defaults": {}} for kind in SIZES
    }
    return {**layers, "limits": {"max_image_size": 0}, "merge": asdict(MergeSettings())}


def default_settings() -> AgentSettings:
    """Return the Django project's settings if there is one, else those of a service on this machine."""
    try:
        from django.conf import settings
        from django.core.exceptions import ImproperlyConfigured
    except ImportError:
        return AgentSettings()
    try:
        return AgentSettings.from_django(settings)
    except ImproperlyConfigured:
        return AgentSettings()
