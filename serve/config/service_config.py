"""ServiceConfig: everything that can be set, made of the dataclasses that live beside what they configure.

A configuration file is Ray Serve's own (serve/local.yaml); the application's `args` are a ServiceConfig. The
environment is laid over it when the graph is built, so `serve run` and `scenewright serve` agree.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)

from deployments.bounds import MOST, Bytes, Count, Guidance, Pixels, Seconds, Side, Steps
from deployments.diffusion.model.model_config import ModelConfig
from deployments.generator import GeneratorConfig
from deployments.imaging.consistency.embedder import ConsistencyConfig
from deployments.imaging.cutout.neural_matting import MattingConfig
from deployments.imaging.files.signing import SigningConfig
from deployments.imaging.marks.provenance import ProvenanceConfig
from deployments.imaging.safety import SafetyConfig
from deployments.messages import LayerKind, MergeMode, Position, generator_name
from scenewright.django_settings import lay_django_over

from ..telemetry.logs import LogConfig
from ..telemetry.tracing import TracingConfig
from .access import Authentication
from .book_config import BookConfig
from .cast_config import CastConfig
from .environment import LARGEST_PX, first_fault, lay_environment_over
from .host_names import checked_pattern
from .idle_settings import idle_settings, idle_traces
from .job_config import JobConfig
from .known_keys import check_keys
from .layer_defaults import layer_defaults
from .layer_models import first_of_models, model_id, name_faults, settings_path
from .memory_budgets import memory_faults
from .origins import checked_origin
from .picture_config import PictureConfig
from .result_config import ResultConfig
from .webhook_config import WebhookConfig

Amount = Annotated[float, Field(ge=0, le=1_000_000)]
"""An amount of one of Ray's resources."""


class Settings(BaseModel):
    model_config = ConfigDict(
        # A value that is refused may be a database's URL, password and all.
        extra="forbid",
        frozen=True,
        protected_namespaces=(),
        hide_input_in_errors=True,
    )


class ReplicaOptions(Settings):
    """Ray Serve's options of one deployment; `autoscaling` takes the place of `num_replicas`.

    `num_gpus: 1` gives a replica a GPU of its own, and only a fraction lets two share one. `labels` are of
    the nodes that it may run on, as Ray's label selectors: `{accelerator: gpu}`, or `"!gpu"` for all the
    others.
    `surge_percent`: how many more replicas an upgrade may start, of those there are. Then the old ones stay
    until as many new ones have started. With 0 the old ones go first.
    """

    num_replicas: Count | None = 1
    num_cpus: Amount = 1
    num_gpus: Amount = 0
    memory_bytes: Bytes | None = None
    resources: dict[str, Amount] = {}
    labels: dict[str, str] = {}
    # For a generator: what its forwards hold, and as many again to choose from (diffusion/scheduler.py).
    max_ongoing_requests: Count = 16
    max_queued_requests: Count = 64
    surge_percent: int = Field(0, ge=0, le=100)
    autoscaling: dict[str, Any] | None = None

    @property
    def least_replicas(self) -> int:
        """Return how many replicas there are whenever all is well."""
        if self.autoscaling is not None:
            return int(self.autoscaling.get("min_replicas", 1))
        return self.num_replicas or 1

    @field_validator("num_gpus")
    @classmethod
    def _whole_or_a_part(cls, gpus: float) -> float:
        if gpus > 1 and gpus != int(gpus):
            raise ValueError("num_gpus is a fraction of one GPU or a whole number of them")
        return gpus

    @field_validator("labels")
    @classmethod
    def _selects(cls, labels: dict[str, str]) -> dict[str, str]:
        if labels:
            from ray._private.label_utils import validate_label_selector

            if fault := validate_label_selector(labels):
                raise ValueError(fault)
        return labels

    @field_validator("autoscaling")
    @classmethod
    def _known_to_ray(cls, options: dict[str, Any] | None) -> dict[str, Any] | None:
        if options is not None:
            from ray.serve.config import AutoscalingConfig

            if unknown := options.keys() - AutoscalingConfig.model_fields.keys():
                raise ValueError(f"Ray Serve's autoscaling has no {sorted(unknown)[0]}")
            for key, value in options.items():
                if isinstance(value, int | float) and not 0 <= value <= MOST:
                    raise ValueError(f"{key} must be from 0 to {MOST}")
            AutoscalingConfig.model_validate(options)
        return options


class GeneratorReplicaOptions(ReplicaOptions):
    """`must_load`: a replica whose model does not load does not start, so that an upgrade to such a model
    replaces nothing, and Serve starts it again, perhaps elsewhere. Without it the replica starts, says in
    /readyz why it cannot paint, gets no work and tries again. null: as `surge_percent` needs it, since an
    upgrade that begins with the new replicas lets the old ones go as soon as those have started.
    """

    must_load: bool | None = None

    @property
    def starts_only_loaded(self) -> bool:
        return self.surge_percent > 0 if self.must_load is None else self.must_load


class CpuReplicaOptions(ReplicaOptions):
    """The options of a deployment that holds no GPU.

    There is room for its successors while it is still there.
    """

    num_cpus: Amount = 0
    surge_percent: int = Field(25, ge=0, le=100)  # Of few, one: Serve rounds up.


class IngressOptions(CpuReplicaOptions):
    """The edge refuses at once what it cannot take, so its proxy's queue is worked off in moments.

    `haproxy`: HAProxy listens, in place of Ray Serve's own proxies. `scenewright serve` starts it so. On
    another Ray it takes variables on every node (docs/cluster.md), and without them nothing is deployed.
    RAY_SERVE_ENABLE_HA_PROXY, 0 or 1, has the last word.
    """

    haproxy: bool = False
    max_ongoing_requests: Count = 200
    max_queued_requests: Count = 1_024


class MergerOptions(CpuReplicaOptions):
    """`at_once`: how many merges a replica runs at once at most; the others wait, tenant by tenant.

    `work_bytes`: the memory for all that it merges at once, by what each merge will take. null: 700 MB, or
    what the largest merge within `limits` takes where that is more. Where it does not fit into `memory_bytes`
    beside what the process itself takes, the service warns (memory_budgets.py).
    """

    num_cpus: Amount = 0.5
    max_ongoing_requests: Count = 4
    at_once: Count = 4
    work_bytes: Bytes | None = None


class LayerDefaults(Settings):
    """A layer's defaults where its request is silent. null: what suits the model (layer_defaults.py)."""

    num_inference_steps: Steps | None = None
    guidance_scale: Guidance | None = None
    width: Side | None = None
    height: Side | None = None


class ModelSettings(Settings):
    """One model of a layer, which is one generator: its replicas, its defaults."""

    generator: GeneratorConfig
    replicas: GeneratorReplicaOptions = GeneratorReplicaOptions()
    defaults: LayerDefaults = LayerDefaults()


class LayerSettings(ModelSettings):
    """The model that paints a layer where a request names none, and in `models` the others.

    Where there is no `generator`, the first of `models` is that one.
    """

    models: tuple[ModelSettings, ...] = ()

    @model_validator(mode="before")
    @classmethod
    def _first_of_models(cls, layer: Any) -> Any:
        return first_of_models(layer, ModelSettings)

    @model_validator(mode="after")
    def _distinct(self) -> Self:
        for fault in name_faults((self, *self.models)):
            raise ValueError(fault)
        return self

    @property
    def by_model(self) -> dict[str, ModelSettings]:
        """Return every model by its `LayerJob.model`, the first one first."""
        return {"": self} | {model_id(model): model for model in self.models}


class Limits(Settings):
    """Limits of a request. `max_frame_size` is for merges, where it is not `max_image_size` too.

    `max_json_values` counts the commas and opening brackets of a body, which parsing takes its time for.
    `max_inline_bytes`: of all picture files inside of one JSON body, which may be so much longer, though no
    longer than an upload.
    `max_streams` are the event streams of jobs that one edge replica holds open, beside its requests.
    `max_bytes_in_flight`: of all request bodies that one edge replica holds, until they are answered; one
    tenant has half of them at most. null: 128 MiB, or four of the largest body where that is more.
    """

    max_image_size: int = Field(1024, ge=64, le=LARGEST_PX)
    max_frame_size: int | None = Field(None, ge=64, le=LARGEST_PX)
    min_image_size: int = Field(64, ge=64, le=LARGEST_PX)
    max_steps: Steps = 150
    max_guidance: Guidance = 30.0
    max_prompt_chars: Count = 2_000
    max_json_bytes: Bytes = 1 << 20
    max_json_values: Count = 25_000
    max_inline_bytes: Bytes = 4 << 20
    max_upload_bytes: Bytes = 16 << 20
    max_upload_pixels: Pixels = 4096 * 4096
    max_deadline_s: Seconds = 600.0
    max_bytes_in_flight: Bytes | None = None
    body_timeout_s: Seconds = 30.0
    max_streams: Count = 256
    max_streams_per_tenant: Count = 64

    @property
    def max_json_body_bytes(self) -> int:
        """Return how long a JSON body may be, the pictures inside of it included."""
        with_pictures = self.max_json_bytes + 4 * -(-self.max_inline_bytes // 3)
        return max(self.max_json_bytes, min(self.max_upload_bytes, with_pictures))

    @model_validator(mode="after")
    def _leaves_a_size(self) -> Self:
        for name in ("max_image_size", "max_frame_size"):
            most = getattr(self, name)
            if most is not None and most < self.min_image_size:
                raise ValueError(f"min_image_size is over {name}, so that no size would be left")
        return self


class MergeDefaults(Settings):
    """The defaults of a scene's merge where its request is silent; `quality` is also that of a layer alone.

    `background_size` frame: a scene's background that nobody gave a size is painted in the frame's own shape,
    except for `paste`. default: always in its layer's default size.
    """

    mode: MergeMode = "auto"
    position: Position = "right"
    width: Side = 1024
    height: Side = 512
    quality: int = Field(95, ge=1, le=100)
    background_size: Literal["frame", "default"] = "frame"


LAID_OVER = "the environment"
"""Its variables are for whatever is served: USE_XFORMERS may be set where nothing has a use for it."""


class ServiceConfig(Settings):
    """All settings of a service.

    `authentication`: with `required` every request needs a key, with `off` none does. Where it is left out,
    keys are required, unless `scenewright serve` itself listens on loopback. `allowed_hosts`: names and
    addresses, besides loopback's, at which the service may be reached where no key is needed; where keys are
    required, the only ones, if there are any (http/hosts.py). `allowed_origins`: the pages that may read
    answers from another address (http/cors.py).
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

    @model_validator(mode="before")
    @classmethod
    def _known(cls, settings: Any) -> Any:
        """Guess what an unknown key was meant to be: Ray's own `serve run` shows what is raised here."""
        check_keys(settings, cls)
        return settings

    @field_validator("state_dir")
    @classmethod
    def _home_is_known(cls, state_dir: str) -> str:
        try:
            Path(state_dir).expanduser()
        except RuntimeError:
            raise ValueError(f"{state_dir}: no such home folder is known") from None
        return state_dir

    @field_validator("authentication", mode="before")
    @classmethod
    def _as_it_is_meant(cls, authentication: Any) -> Any:
        if authentication is False:
            return "off"  # What YAML makes of `off` without quotes.
        if authentication == "auto":
            raise ValueError(
                "auto is gone, since a caller's address proves nothing: write required or off, or leave it"
                " out (then keys are required, unless `scenewright serve` itself listens on loopback)"
            )
        return authentication

    @property
    def requires_keys(self) -> bool:
        """Return whether every request but those for public paths needs a key."""
        return self.authentication != "off"

    @property
    def layers(self) -> dict[LayerKind, LayerSettings]:
        return {"character": self.character, "background": self.background}

    @property
    def generators(self) -> dict[str, ModelSettings]:
        """Return every model of every layer by its generator's name, each layer's first one first."""
        return {
            generator_name(kind, model): settings
            for kind, layer in self.layers.items()
            for model, settings in layer.by_model.items()
        }

    @property
    def state_folder(self) -> Path:
        """Return the folder of jobs, their pictures and the keys."""
        return Path(self.state_dir).expanduser()

    @field_validator("allowed_hosts")
    @classmethod
    def _hosts(cls, hosts: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(map(checked_pattern, hosts))

    @field_validator("allowed_origins")
    @classmethod
    def _origins(cls, origins: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(map(checked_origin, origins))

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
        """Lay the documented environment names over the file's settings. Raises ValueError by name."""
        settings = lay_environment_over(self.model_dump(), environment)
        try:
            return self.model_validate(settings, context=LAID_OVER)
        except ValidationError as error:
            raise ValueError(first_fault(error)) from None

    @classmethod
    def from_django(cls, settings: Any) -> Self:
        """Read a Django project's settings, module or mapping.

        It reads STABLE_DIFFUSION_CONFIG and IMAGE_MERGE_CONFIG.
        """
        return cls.model_validate(lay_django_over(cls().model_dump(), settings))
