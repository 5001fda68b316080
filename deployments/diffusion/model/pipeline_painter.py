"""Paint with any diffusers pipeline, unmodified, with many requests in one forward.

Each picture's pipeline runs in its own greenlet. A step collects the denoiser calls that the pipelines wait
for, and runs those with equal keys as one forward. A decode does the same with their VAE calls.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Hashable, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from pathlib import Path
from typing import Any
from weakref import WeakSet

import torch

from deployments.diffusion.latent_previews import expected_latents, is_being_drawn
from deployments.diffusion.lora_weights import LoraWeights
from deployments.diffusion.model.batched_calls import run_together
from deployments.diffusion.model.call_arguments import call_arguments, checked_task, first_forwards, is_guided
from deployments.diffusion.model.conditioning import truncations
from deployments.diffusion.model.device import within_memory
from deployments.diffusion.model.families import as_distilled, family_of
from deployments.diffusion.model.ip_adapter import IpAdapter, ip_adapter
from deployments.diffusion.model.known_words import unknown_words_warning
from deployments.diffusion.model.loaded_model import LoadedModel
from deployments.diffusion.model.lora_rows import changes_of
from deployments.diffusion.model.model_config import ModelConfig
from deployments.diffusion.model.packed_latents import as_image
from deployments.diffusion.model.picture_linears import PictureLinears
from deployments.diffusion.model.pipeline_copy import UNCHANGED, PipelineCopies
from deployments.diffusion.model.pipeline_loras import PipelineLoras
from deployments.diffusion.model.pipeline_painting import IN_STEPS, NOTHING, PipelinePainting
from deployments.diffusion.model.pipeline_run import PipelineRun
from deployments.diffusion.model.pose_controlnet import pose_controlnet
from deployments.diffusion.model.registry import card_of
from deployments.diffusion.painter import WHOLE, PaintRequest, Preview
from deployments.errors import NO_LORAS, GenerationFailed, NotReady, UnsupportedTask
from deployments.messages import LoraUse, Pixels

log = logging.getLogger(__name__)


class PipelinePainter(LoadedModel[PipelinePainting]):
    """Paint with any pipeline that has a denoiser, a scheduler and a VAE."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__(config)
        self._family = card_of(config).family
        self._copies: PipelineCopies | None = None
        self._denoiser: Any = None
        self._ip_adapter: IpAdapter | None = None
        self._controlnet: Any = None
        self._linears = PictureLinears()
        self._loras: PipelineLoras | None = None
        self._begun: WeakSet[PipelinePainting] = WeakSet()

    def adopt(self, pipeline: Any, place: Path | None = None) -> None:
        super().adopt(pipeline, place)
        kind = type(pipeline).__name__
        named = card_of(self._config).family
        family = named if kind in named.pipelines else family_of(kind)
        self._denoiser = getattr(pipeline, family.denoiser)
        self._family = as_distilled(family, self._denoiser.config)
        folder = self._config.lora_folder
        if folder is not None and hasattr(pipeline, "load_lora_weights"):
            self._loras = PipelineLoras(pipeline, self._family, folder, self.model)
        exact = self.fixed_rows is not None
        self._ip_adapter = ip_adapter(self._config, self._family, pipeline, exact)
        self._controlnet = pose_controlnet(self._config, self._family, pipeline)
        self._linears = self._apart_on_cpu(self._denoiser, self._controlnet)
        self._copies = PipelineCopies(
            pipeline, self._family, self._config.prompt_cache, exact, self._controlnet, self._ip_adapter
        )

        self._compile = self._compile_beside(self._denoiser)

    def unload(self) -> None:
        for painting in list(self._begun):
            painting.close()
        self._copies = self._denoiser = self._ip_adapter = self._controlnet = None
        if self._loras is not None:
            self._loras.release()
        self._linears = PictureLinears()
        super().unload()

    def lora_size(self, use: LoraUse) -> int:
        return self._picture_loras().size_bytes(use)

    def read_lora(self, use: LoraUse) -> LoraWeights:
        return self._picture_loras().read(use)

    def _picture_loras(self) -> PipelineLoras:
        """Return the LoRAs that pictures may name. Raises UnsupportedTask if they may name none."""
        if self._loras is None:
            raise UnsupportedTask(NO_LORAS)
        return self._loras

    def first_forwards(self, request: PaintRequest) -> Sequence[int]:
        return first_forwards(self._family, request)

    @torch.inference_mode()
    def begin(self, request: PaintRequest) -> PipelinePainting:
        """Run the request's pipeline up to the first forward."""
        if self._copies is None:
            raise NotReady("the model is not loaded")
        guided = is_guided(self._family, request)
        task = checked_task(self._family, request, self._pipeline.scheduler, self._controlnet is not None)
        posed = request.pose is not None
        taken = self._copies.arguments_of(task, posed)
        arguments = {
            name: value for name, value in call_arguments(self._family, request).items() if name in taken
        }
        arguments |= self._reference_arguments(request, guided)
        # A generator on the CPU draws the same noise whatever the device.
        arguments |= {"generator": torch.Generator("cpu").manual_seed(request.seed), "output_type": "np"}
        guided_in = request.guidance_interval if guided else WHOLE
        guided_every = request.guidance_cache if guided else 1
        scale = 0.0 if request.references is None else request.references.scale
        changed = self._picture_loras().changed(request.loras) if request.loras else UNCHANGED
        run = within_memory(
            partial(
                PipelineRun, self._copies, arguments, guided_in, task, posed, scale, changed, guided_every
            )
        )
        if run.at not in IN_STEPS:
            raise GenerationFailed("this pipeline did not call its denoiser")
        painting = PipelinePainting(
            request,
            run.steps,
            guided,
            warnings=(
                *truncations(self._pipeline, request, guided),
                *unknown_words_warning(self.model, request.prompt, self._known),
            ),
            sampler=type(run.scheduler).__name__.removesuffix("Scheduler"),
            run=run,
            calls_seen=len(self.first_forwards(request)),
            changes=changes_of(request.loras, self._family.denoiser),
            # Otherwise the bits of a LoRA's changes would depend on how many rows it changes.
            alone=bool(request.loras) and self.fixed_rows is not None,
        )
        self._begun.add(painting)
        return painting

    @torch.inference_mode()
    def step(self, paintings: Sequence[PipelinePainting]) -> None:
        """Run one step.

        Raises only before any painting has changed. A later failure becomes its painting's `fault`.
        A pipeline that calls its denoiser twice a step has two forwards. If one of them fails, the
        pipelines stay at it, and the results of the others are kept.
        """
        while in_step := [painting for painting in paintings if painting.is_in_step]:
            posed = [painting for painting in in_step if painting.run.at == "controlnet"]
            self._run_together(posed, self._run_controlnet, self._filled)
            for painting in posed:
                self._go_on(painting)
            in_step = [painting for painting in in_step if painting.is_in_step]
            network = self._denoiser if self._ip_adapter is None else self._ip_adapter.run
            self._run_together(in_step, network, self._filled)
            for painting in in_step:
                painting.calls_made += 1
                self._go_on(painting)
        for painting in paintings:
            painting.count()
        self._clock.await_step_before()

    @torch.inference_mode()
    def decode(self, paintings: Sequence[PipelinePainting]) -> list[Pixels]:
        while waiting := [painting for painting in paintings if painting.run.at == "decoder"]:
            self._run_together(waiting, self._pipeline.vae.decode)
            for painting in waiting:
                self._go_on(painting)
        self._pipeline.maybe_free_model_hooks()
        return [painting.finished_pixels() for painting in paintings]

    def _run_controlnet(self, *positional: Any, **keywords: Any) -> Any:
        """Run the ControlNet. Its list of residuals becomes a tuple, since it is no list of rows."""
        residuals, middle = self._controlnet(*positional, **keywords)
        return tuple(residuals), middle

    def _reference_arguments(self, request: PaintRequest, guided: bool) -> dict[str, Any]:
        """Return the call's argument for references read by an IP-Adapter. Raises UnsupportedTask."""
        own = self._family.reference_argument or self._family.masked_reference_argument
        if request.references is None or own:
            return {}
        if self._ip_adapter is None:
            raise UnsupportedTask("this model cannot do references")
        return within_memory(partial(self._ip_adapter.arguments, request.references, guided))

    def _run_together(
        self,
        paintings: Sequence[PipelinePainting],
        network: Callable[..., Any],
        filled: Callable[[int], int] = lambda rows: rows,
    ) -> None:
        """Run one forward for each key among their calls. If it raises, no pipeline has gone on."""
        alike: dict[Hashable, list[PipelinePainting]] = {}
        for painting in paintings:
            if painting.outcome is NOTHING:
                alike.setdefault(painting.call_key, []).append(painting)
        for together in alike.values():
            calls = [painting.run.call for painting in together]
            run, rows = network, filled(sum(call.rows for call in calls))
            beside = self._compile  # Another thread may set it to None.
            if beside is not None and network is self._denoiser:
                run, rows = beside.forward(calls)
            counts = [call.rows for call in calls]
            with self._with_loras(together, rows), self._linears.apart(counts, rows):
                outcomes = within_memory(partial(run_together, run, calls, rows))
            for painting, outcome in zip(together, outcomes, strict=True):
                painting.outcome = outcome

    def _with_loras(self, paintings: Sequence[PipelinePainting], rows: int) -> AbstractContextManager[None]:
        """Apply each picture's LoRAs to its own rows inside the block, which is one forward."""
        at_denoiser = paintings[0].run.at == "denoiser"
        changes = [painting.changes for painting in paintings]
        if not at_denoiser or not any(changes):
            return nullcontext()
        return self._picture_loras().in_rows(
            [painting.run.call.rows for painting in paintings], changes, rows
        )

    def _go_on(self, painting: PipelinePainting) -> None:
        """Run the pipeline to its next call. A failure is this picture's alone: others have gone on."""
        run, outcome, painting.outcome = painting.run, painting.outcome, NOTHING
        # Set only meanwhile: a suspended pipeline that refers to its painting would never be freed.
        run.progress.before_step = partial(self._preview, painting)
        try:
            within_memory(partial(run.resume, outcome))
        except BaseException as error:
            painting.fault = error
        finally:
            run.progress.before_step = None

    def _preview(
        self, painting: PipelinePainting, scheduler: Any, prediction: Any, timestep: Any, sample: Any
    ) -> None:
        wanted = painting.done + 1 in painting.preview_steps and not is_being_drawn(painting.drawn)
        if wanted and self._drawer is not None:
            draw = self._drawer.draw

            def drawn() -> Preview | None:
                expected = expected_latents(scheduler, timestep, sample, prediction)
                return draw(as_image(self._pipeline, expected, painting.request))

            painting.preview = painting.drawn = self._or_no_preview(drawn)
