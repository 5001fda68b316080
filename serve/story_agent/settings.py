"""The service's address, and a Django project's settings for it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from deployments.messages import LayerKind
from scenewright import Scenewright

from ..config.django_settings import READERS
from ..config.layer_defaults import layer_defaults
from ..config.service_config import ServiceConfig

DEFAULT_URL = "http://127.0.0.1:8000"


@dataclass(frozen=True)
class AgentSettings:
    """`config` is read for its defaults alone: models and devices are the running service's own."""

    url: str = DEFAULT_URL
    api_key: str | None = field(default=None, repr=False)
    config: ServiceConfig = field(default_factory=ServiceConfig)

    @classmethod
    def from_django(cls, settings: Any = None) -> AgentSettings:
        """Read the project's settings, or those given. Raises ValueError naming a setting that cannot be."""
        if settings is None:
            from django import conf

            settings = conf.settings
        told = any(getattr(settings, name, None) is not None for name in READERS)
        return cls(
            getattr(settings, "SCENEWRIGHT_URL", None) or DEFAULT_URL,
            getattr(settings, "SCENEWRIGHT_API_KEY", None),
            ServiceConfig.from_django(settings) if told else ServiceConfig(),
        )

    def connect(self) -> Scenewright:
        """Connect to the service. Raises NotSent for an address, a key or an environment that cannot be."""
        return Scenewright(self.url, self.api_key)

    def layer(self, kind: LayerKind) -> dict[str, Any]:
        """Return a layer's request besides its words, within the project's max_resolution."""
        settings = layer_defaults(kind, getattr(self.config, kind))
        most = self.config.limits.max_image_size
        return {
            "num_inference_steps": settings.num_inference_steps,
            "guidance_scale": settings.guidance_scale,
            "width": min(settings.width, most),
            "height": min(settings.height, most),
        }

    def merge(self) -> dict[str, Any]:
        merge = self.config.merge
        return {
            "mode": merge.mode,
            "position": merge.position,
            "width": merge.width,
            "height": merge.height,
        }


def default_settings() -> AgentSettings:
    """Return the Django project's settings where there is one, else those of a service on this machine."""
    try:
        from django.conf import settings
        from django.core.exceptions import ImproperlyConfigured
    except ImportError:
        return AgentSettings()
    try:
        return AgentSettings.from_django(settings)
    except ImproperlyConfigured:
        return AgentSettings()
