"""Define all settings of a service, each part with its default; service_config.py checks them together."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import Field, field_validator

from deployments.diffusion.model.model_config import ModelConfig
from deployments.generator import GeneratorConfig
from deployments.imaging.consistency.embedder import ConsistencyConfig
from deployments.imaging.cutout.neural_matting import MattingConfig
from deployments.imaging.files.signing import SigningConfig
from deployments.imaging.marks.provenance import ProvenanceConfig
from deployments.imaging.safety_check import SafetyConfig
from deployments.messages import LayerKind, generator_name

from ..telemetry.logs import LogConfig
from ..telemetry.tracing import TracingConfig
from .access import Authentication
from .book_config import BookConfig
from .host_names import checked_pattern
from .job_config import JobConfig
from .kept_config import CastConfig, PictureConfig, ResultConfig
from .layer_settings import LayerSettings, ModelSettings
from .origins import checked_origin
from .replica_options import CpuReplicaOptions, IngressOptions, MergerOptions
from .request_limits import Limits, MergeDefaults
from .settings_base import Settings
from .webhook_config import WebhookConfig


class ServiceSettings(Settings):
    """Hold all settings of a service.

    With `authentication` `required` every request needs a key, with `off` none does. If it is omitted, keys
    are required unless `scenewright serve` itself listens on loopback. `allowed_hosts` are the names and
    addresses, besides loopback's, at which a service without keys may be reached. With keys required they are
    the only ones, if there are any (http/hosts.py). `allowed_origins` are those of the pages that may read
    responses from another address (http/cors.py).
    """

    character: LayerSettings = LayerSettings(generator=GeneratorConfig(ModelConfig("storybook-character")))
    background: LayerSettings = LayerSettings(generator=GeneratorConfig(ModelConfig("storybook-background")))
    merger: MergerOptions = MergerOptions()
    # Streams of jobs and health checks have slots besides these (http/request_slots.py).
    ingress: IngressOptions = IngressOptions()
    worker: CpuReplicaOptions = CpuReplicaOptions()
    merge: MergeDefaults = MergeDefaults()
    provenance: ProvenanceConfig = ProvenanceConfig()
    matting: MattingConfig | None = None
    consistency: ConsistencyConfig = ConsistencyConfig()
    signing: SigningConfig | None = None
    safety: SafetyConfig = SafetyConfig()
    limits: Limits = Limits()
    jobs: JobConfig = JobConfig()
    pictures: PictureConfig = PictureConfig()
    books: BookConfig = BookConfig()
    cast: CastConfig = CastConfig()
    results: ResultConfig = ResultConfig()
    webhooks: WebhookConfig = WebhookConfig()
    logs: LogConfig = LogConfig()
    tracing: TracingConfig = TracingConfig()
    authentication: Authentication | None = None
    allowed_hosts: tuple[str, ...] = ()
    allowed_origins: tuple[str, ...] = ()
    price_per_device_hour: float | None = Field(None, gt=0, le=1_000_000)
    state_dir: str = Field("~/.local/state/scenewright", min_length=1)

    @field_validator("state_dir")
    @classmethod
    def _home_is_known(cls, state_dir: str) -> str:
        try:
            Path(state_dir).expanduser()
        except RuntimeError:
            raise ValueError(f"{state_dir}: this home folder is not known") from None
        return state_dir

    @field_validator("authentication", mode="before")
    @classmethod
    def _as_it_is_meant(cls, authentication: Any) -> Any:
        return "off" if authentication is False else authentication  # YAML reads a plain `off` as False.

    @property
    def requires_keys(self) -> bool:
        """Return whether every request but those for public paths needs a key."""
        return self.authentication != "off"

    @property
    def layers(self) -> dict[LayerKind, LayerSettings]:
        return {"character": self.character, "background": self.background}

    @property
    def generators(self) -> dict[str, ModelSettings]:
        """Return every model of every layer by its generator's name, starting with each layer's first."""
        return {
            generator_name(kind, model): settings
            for kind, layer in self.layers.items()
            for model, settings in layer.by_model.items()
        }

    @property
    def state_folder(self) -> Path:
        """Return the folder that holds the jobs, their pictures and the keys."""
        return Path(self.state_dir).expanduser()

    @field_validator("allowed_hosts")
    @classmethod
    def _hosts(cls, hosts: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(map(checked_pattern, hosts))

    @field_validator("allowed_origins")
    @classmethod
    def _origins(cls, origins: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(map(checked_origin, origins))
