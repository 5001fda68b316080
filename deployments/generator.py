"""Define what character and background replicas share: an engine built from plain configuration."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, aclosing
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar, Literal

from deployments.diffusion.engine.engine import Engine
from deployments.diffusion.engine.lora_cache import LoraCache
from deployments.diffusion.guide_pictures import PosePicture, References
from deployments.diffusion.lora_weights import PictureLora
from deployments.diffusion.model.family import Family
from deployments.diffusion.model.model_config import GenerationConfig, ModelConfig
from deployments.diffusion.model.painter_choice import uses_denoiser
from deployments.diffusion.model.registry import card_of
from deployments.diffusion.painter import AnyPainter
from deployments.diffusion.simulated.simulated_painter import SimulatedConfig, SimulatedPainter
from deployments.diffusion.start_picture import StartPicture
from deployments.errors import OutOfMemory
from deployments.heap import freeze
from deployments.imaging.placeholder import placeholder
from deployments.imaging.quality import flaw
from deployments.layer_pictures import read_pose, read_references, read_start
from deployments.messages import (
    LayerEvent,
    LayerJob,
    LayerKind,
    LayerResult,
    Pixels,
    Readiness,
    StepEvent,
    is_as_requested,
)
from deployments.reports.load_report import CachedLayers, LoadTracker
from deployments.reports.routing_stats import RoutingStats

NO_LORAS_FIT = "without_loras"
"""Marks a picture that was painted without its LoRAs because the device had no memory for them."""
PicturesOfJob = tuple[StartPicture | None, References | None, PosePicture | None]


@dataclass(frozen=True)
class GeneratorConfig:
    """Choose a real model or the simulated one by `backend`; the other one's settings are ignored.

    `quality_terms`: whether to wrap a description in terms that make Stable Diffusion paint better, and to
    give it the default negative prompt. null: only for Stable Diffusion 1, 2 and XL.
    """

    __pydantic_config__: ClassVar[dict[str, str]] = {"extra": "forbid"}

    model: ModelConfig
    backend: Literal["diffusers", "simulated"] = "diffusers"
    simulated: SimulatedConfig = field(default_factory=SimulatedConfig)
    quality_terms: bool | None = None
    generation: GenerationConfig = field(default_factory=GenerationConfig)

    @property
    def keeps_layers(self) -> bool:
        return self.generation.result_cache_bytes > 0

    @property
    def adds_quality_terms(self) -> bool:
        return self._family.quality_terms if self.quality_terms is None else self.quality_terms

    @property
    def takes_negative_prompt(self) -> bool:
        return self._family.takes_negative_prompt

    @property
    def _family(self) -> Family:
        return card_of(self.model).family


class Generator(ABC):
    """One replica: it owns its model, and is ready once it has painted a picture with it."""

    kind: ClassVar[LayerKind]

    def __init__(self, config: GeneratorConfig, calibrations: str | None = None) -> None:
        """`calibrations`: the folder on this node that keeps calibrations between starts, if there is one."""
        painter = _build_painter(config, self.kind)
        freeze()  # Before the model is loaded: it may be unloaded, and frozen objects are never freed.
        self._loras = LoraCache(painter.lora_size, painter.read_lora, config.model.lora_budget_bytes)
        self._engine = Engine(
            painter,
            flaw,
            _placeholder,
            config.generation,
            config.model.unload_after_idle_s,
            config.model.lazy_load,
            self._loras.drop_unused,
            Path(calibrations) if calibrations and config.backend != "simulated" else None,
        )
        self._engine.start()
        self._adds_terms = config.adds_quality_terms
        self._negates = config.adds_quality_terms and config.takes_negative_prompt
        self._latent_factor = painter.latent_factor
        self._reader = ThreadPoolExecutor(1, thread_name_prefix="pictures")
        self._load_tracker = LoadTracker()
        self._cached_layers = CachedLayers(keeps=config.keeps_layers)

    def __del__(self) -> None:
        """Stop the engine. Ray Serve calls this before it ends a replica."""
        if hasattr(self, "_engine"):  # Missing if the construction failed.
            self._engine.stop()

    @abstractmethod
    def prompts(self, job: LayerJob) -> tuple[str, str]:
        """Return the prompt and the negative prompt that the model will read."""

    async def stream(
        self, job: LayerJob, files: Mapping[str, bytes] | None = None
    ) -> AsyncGenerator[LayerEvent, None]:
        """Yield queue positions if the job wants `queue_events`, then each step, then the layer.

        `files`: the contents of the files that the job names, by name.
        """
        # Before the job is counted: one that fails at once counts as neither arrived nor finished work.
        self._engine.require_ready()
        start, references, pose = await self._pictures_of(job, files or {})
        as_requested = False
        self._cached_layers.begin(job)
        try:
            async with AsyncExitStack() as stack:
                stepped = stack.enter_context(self._load_tracker.job(job))
                loras: tuple[PictureLora, ...] = ()
                without: tuple[str, ...] = ()
                if job.loras:
                    lent = self._loras.lent(job.loras, job.deadline_at)
                    try:
                        loras = await stack.enter_async_context(lent)
                    except OutOfMemory:
                        if job.fallback == "none":
                            raise
                        job, without = replace(job, loras=()), (NO_LORAS_FIT,)
                submitted = self._engine.submit(
                    job, *self.prompts(job), start, references=references, pose=pose, loras=loras
                )
                async with aclosing(submitted) as events:
                    async for event in events:
                        if isinstance(event, StepEvent):
                            stepped(event.step)
                        elif isinstance(event, LayerResult):
                            if without:
                                event = replace(event, degraded=(*without, *event.degraded))
                            as_requested = is_as_requested(event.degraded)
                        yield event
        finally:
            self._cached_layers.end(job, as_requested)

    async def paint(self, job: LayerJob, files: Mapping[str, bytes] | None = None) -> LayerResult:
        """Return the layer without its events. Raises the errors of deployments.errors."""
        async with aclosing(self.stream(job, files)) as events:
            async for event in events:
                if isinstance(event, LayerResult):
                    return event
        raise AssertionError("the engine ended a job without a result")

    async def painted(
        self, job: LayerJob, files: Mapping[str, bytes] | None = None
    ) -> AsyncGenerator[LayerResult, None]:
        """Yield only the layer, as a stream: over gRPC the caller then learns at once if it is accepted."""
        yield await self.paint(job, files)

    async def _pictures_of(self, job: LayerJob, files: Mapping[str, bytes]) -> PicturesOfJob:
        """Return the job's start picture, its reference pictures and its pose."""
        if not job.files and not job.pose:
            return None, None, None

        def read() -> PicturesOfJob:
            start = read_start(job, files, self._latent_factor)
            return start, read_references(job, files), read_pose(job, files)

        # One at a time: a large picture takes a lot of memory while it is read.
        return await asyncio.get_running_loop().run_in_executor(self._reader, read)

    async def check_health(self) -> None:
        """Raise if this replica must be replaced.

        Ray Serve calls this every second, and acts on the third failure in a row.
        """
        self._engine.check_health()

    async def readiness(self) -> Readiness:
        return self._engine.readiness()

    async def record_autoscaling_stats(self) -> dict[str, float]:
        """Return LoadReport's fields for autoscaling. Ray Serve calls it by this name.

        Empty for a replica that cannot paint, which must not look like an idle one.
        """
        if not self._engine.readiness().ready:
            return {}
        return self._load_tracker.report().as_numbers()

    async def record_routing_stats(self) -> dict[str, Any]:
        """Return RoutingStats' fields for the request router. Ray Serve calls it by this name."""
        if not self._engine.loaded:
            self._loras.drop_unused()
        return RoutingStats(
            self._load_tracker.megapixel_step_s,
            self._engine.least_megapixel_step_s,
            self._load_tracker.interactive_cost,
            self._cached_layers.cache_keys(),
            self._engine.loaded,
            self._engine.readiness().reason,
            self._engine.device_time.unanswered(),
            self._loras.hashes(),
        ).as_stats()


def _placeholder(job: LayerJob) -> Pixels:
    return placeholder(job.kind, job.width_px, job.height_px, job.prompt)


def _build_painter(config: GeneratorConfig, kind: LayerKind) -> AnyPainter:
    if config.backend == "simulated":
        return SimulatedPainter(config.simulated, kind, card_of(config.model).id)
    # torch takes seconds to import: a simulated replica and the edge never pay for it.
    if uses_denoiser(config.model):
        from deployments.diffusion.model.denoiser import Denoiser

        return Denoiser(config.model)
    from deployments.diffusion.model.pipeline_painter import PipelinePainter

    return PipelinePainter(config.model)
