"""Define ServiceConfig: all settings, checked against each other.

The environment is applied when the graph is built, so `serve run` and `scenewright serve` agree.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

from pydantic import ValidationError, ValidationInfo, model_validator

from deployments.messages import generator_name
from scenewright.django_settings import lay_django_over

from .environment import first_fault, lay_environment_over
from .idle_settings import idle_settings, idle_traces
from .known_keys import check_keys
from .layer_settings import layer_defaults
from .memory_budgets import memory_faults
from .model_names import settings_path
from .service_settings import ServiceSettings

LAID_OVER = "the environment"
"""The validation context after the environment was applied. Its variables are for any service, so
USE_XFORMERS may be set even if no model uses it."""


class ServiceConfig(ServiceSettings):
    """All settings of a service, checked against each other, and where they are read from."""

    @model_validator(mode="before")
    @classmethod
    def _known(cls, settings: Any) -> Any:
        """Suggest the key that an unknown one was meant to be: Ray's own `serve run` shows this error."""
        check_keys(settings, cls)
        return settings

    @model_validator(mode="after")
    def _defaults_within_limits(self) -> Self:
        for kind, layer in self.layers.items():
            for model, settings in layer.by_model.items():
                defaults, path = layer_defaults(kind, settings), settings_path(generator_name(kind, model))
                for name, most in (
                    ("num_inference_steps", self.limits.max_steps),
                    ("guidance_scale", self.limits.max_guidance),
                ):
                    if getattr(defaults, name) > most:
                        raise ValueError(f"{path}.defaults.{name} is over its limit of {most}")
        return self

    @model_validator(mode="after")
    def _memory_suffices(self) -> Self:
        for fault in memory_faults(self):
            raise ValueError(fault)
        return self

    @model_validator(mode="after")
    def _nothing_idle(self, info: ValidationInfo) -> Self:
        for fault in idle_traces(self) if info.context == LAID_OVER else idle_settings(self):
            raise ValueError(fault)
        return self

    def with_environment(self, environment: Mapping[str, str]) -> Self:
        """Apply the documented variables to the file's settings. Raises ValueError naming the variable."""
        settings = lay_environment_over(self.model_dump(), environment)
        try:
            return self.model_validate(settings, context=LAID_OVER)
        except ValidationError as error:
            raise ValueError(first_fault(error)) from None

    @classmethod
    def from_django(cls, settings: Any) -> Self:
        """Read STABLE_DIFFUSION_CONFIG and IMAGE_MERGE_CONFIG of a Django project.

        `settings` is the project's settings module, or a mapping.
        """
        return cls.model_validate(lay_django_over(cls().model_dump(), settings))
