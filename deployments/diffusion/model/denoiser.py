"""Paint Stable Diffusion in our own loop: prompts and noise in, UNet forwards over many pictures, pixels out.

Each picture keeps its own solver, timestep, generator and guidance. Only the forward is shared, so a picture
comes out as the stock diffusers pipeline would have painted it alone.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers.utils.torch_utils import randn_tensor
from numpy.typing import NDArray

from deployments.diffusion.latent_previews import expected_latents, is_being_drawn
from deployments.diffusion.model.call_arguments import check_steps, refuse_rows_of_guidance
from deployments.diffusion.model.conditioning import Encoder, Row, truncations
from deployments.diffusion.model.device import within_memory
from deployments.diffusion.model.families import STABLE_DIFFUSION_PIPELINES
from deployments.diffusion.model.known_words import unknown_words_warning
from deployments.diffusion.model.loaded_model import LoadedModel
from deployments.diffusion.model.model_config import ModelConfig
from deployments.diffusion.model.picture_linears import PictureLinears
from deployments.diffusion.model.pixels import to_uint8
from deployments.diffusion.painter import Painting, PaintRequest, Preview, guided_rows
from deployments.errors import ModelUnusable, NotReady, UnsupportedTask
from deployments.messages import Pixels


@dataclass(eq=False)
class DiffusionPainting(Painting):
    """A picture's latents and the state that moves them.

    `conditions` are its rows of a forward with guidance. `drawn` is its last preview. `difference` is the
    last one computed between the predictions with and without the prompt, if later steps reuse it.
    """

    latents: Any = None
    solver: Any = None
    conditions: list[Row] = field(default_factory=list)
    solver_extras: dict[str, Any] = field(default_factory=dict)
    distilled_guidance: torch.Tensor | None = None
    drawn: Preview | None = None
    difference: torch.Tensor | None = None

    def close(self) -> None:
        self.difference = None


class Denoiser(LoadedModel[DiffusionPainting]):
    """A painter of Stable Diffusion 1, 2 and XL, from words alone."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__(config)
        self._encoder: Encoder | None = None
        self._is_distilled = False
        self._linears = PictureLinears()

    def adopt(self, pipeline: Any, place: Path | None = None) -> None:
        kind = type(pipeline).__name__
        if kind not in STABLE_DIFFUSION_PIPELINES:
            raise ModelUnusable(
                f"the model {self.model} is a {kind}, and the denoiser paints only Stable Diffusion 1, 2 "
                "and XL: set painter to auto or pipeline"
            )
        self._encoder = Encoder(pipeline, self._config.prompt_cache)
        super().adopt(pipeline, place)
        self._is_distilled = pipeline.unet.config.time_cond_proj_dim is not None
        self._linears = self._apart_on_cpu(pipeline.unet)

    def unload(self) -> None:
        self._encoder, self._linears = None, PictureLinears()
        super().unload()

    def first_forwards(self, request: PaintRequest) -> Sequence[int]:
        return [guided_rows(request, not self._is_distilled)]

    @torch.inference_mode()
    def begin(self, request: PaintRequest) -> DiffusionPainting:
        if self._pipeline is None or self._encoder is None:
            raise NotReady("the model is not loaded")
        if any(each is not None for each in (request.start, request.references, request.pose)):
            raise UnsupportedTask("this model is painted by the denoiser, which paints from text alone")
        if self._is_distilled:
            refuse_rows_of_guidance(request)
        check_steps(request, self._pipeline.scheduler)
        pipeline, encoder = self._pipeline, self._encoder
        return within_memory(lambda: self._begin(pipeline, encoder, request))

    @torch.inference_mode()
    def step(self, paintings: Sequence[DiffusionPainting]) -> None:
        """Run one step.

        Raises only before any painting has changed. A later failure becomes its painting's `fault`.
        """
        predictions = within_memory(lambda: self._predict(paintings))
        for painting, prediction in zip(paintings, predictions, strict=True):
            try:
                within_memory(partial(self._advance, painting, prediction))
            except BaseException as error:  # Whatever it is, the other pictures have taken their step.
                painting.fault = error
        self._clock.await_step_before()

    @torch.inference_mode()
    def decode(self, paintings: Sequence[DiffusionPainting]) -> list[Pixels]:
        images = within_memory(lambda: self._decode(paintings))
        self._pipeline.maybe_free_model_hooks()
        return [to_uint8(image) for image in images]

    def _begin(self, pipeline: Any, encoder: Encoder, request: PaintRequest) -> DiffusionPainting:
        # diffusers' own condition: a guidance-distilled model reads the scale as an input.
        distilled = pipeline.unet.config.time_cond_proj_dim
        guided = request.guidance_scale > 1 and distilled is None
        conditions = encoder.rows(request, guided)
        # Rebuilding it from its configuration would re-apply defaults that the model's files override.
        solver = copy.deepcopy(pipeline.scheduler)
        solver.set_timesteps(request.num_inference_steps, device=self._device)
        if hasattr(solver, "set_begin_index"):
            solver.set_begin_index(0)
        # A generator on the CPU draws the same noise whatever the device.
        generator = torch.Generator("cpu").manual_seed(request.seed)
        factor, dtype = pipeline.vae_scale_factor, conditions[0].text.dtype
        shape = (
            1,
            pipeline.unet.config.in_channels,
            request.height_px // factor,
            request.width_px // factor,
        )
        noise = randn_tensor(shape, generator=generator, device=self._device, dtype=dtype)
        guidance = None
        if distilled is not None:
            scale = torch.tensor([request.guidance_scale - 1])
            embedded = pipeline.get_guidance_scale_embedding(scale, embedding_dim=distilled)
            guidance = embedded.to(self._device, dtype)
        steps = len(solver.timesteps)  # Some solvers (PNDM, Heun) take more than requested.
        return DiffusionPainting(
            request,
            steps,
            guided,
            warnings=(
                *truncations(pipeline, request, guided),
                *unknown_words_warning(self.model, request.prompt, self._known),
            ),
            sampler=type(solver).__name__.removesuffix("Scheduler"),
            latents=noise * solver.init_noise_sigma,
            solver=solver,
            conditions=conditions,
            solver_extras=pipeline.prepare_extra_step_kwargs(generator, 0.0),
            distilled_guidance=guidance,
        )

    def _predict(self, paintings: Sequence[DiffusionPainting]) -> list[torch.Tensor]:
        """Return the UNet's output for each painting, (rows, channels, h, w)."""
        samples, timesteps, rows, guidance = [], [], [], []
        for painting in paintings:
            timestep = painting.solver.timesteps[painting.done]
            scaled = painting.solver.scale_model_input(painting.latents, timestep)
            samples += [scaled] * painting.rows
            timesteps += [timestep] * painting.rows
            rows += painting.conditions[-painting.rows :]
            guidance += [painting.distilled_guidance] * painting.rows
        counts = [painting.rows for painting in paintings]
        filled = self._filled(len(rows))
        spare = filled - len(rows)
        with self._linears.apart(counts, filled):
            read = self._pipeline.unet(
                _batch(samples, spare),
                _batch([timestep.reshape(1) for timestep in timesteps], spare),
                encoder_hidden_states=_batch([row.text for row in rows], spare),
                timestep_cond=None if guidance[0] is None else _batch(guidance, spare),
                added_cond_kwargs=_added(rows, spare),
                return_dict=False,
            )[0]
        return list(read[: len(rows)].split(counts))

    def _decode(self, paintings: Sequence[DiffusionPainting]) -> NDArray[np.floating[Any]]:
        """Return pictures (n, height, width, 3) in 0..1."""
        pipeline, vae = self._pipeline, self._pipeline.vae
        # XL's VAE overflows in half precision. The stock pipeline casts it back and forth for every picture.
        if _is_xl(pipeline) and vae.dtype == torch.float16 and vae.config.force_upcast:
            vae.to(torch.float32)
        latents = torch.cat([painting.latents for painting in paintings]).to(vae.dtype)
        decoded = vae.decode(_unscaled(latents, vae.config), return_dict=False)[0]
        return pipeline.image_processor.postprocess(decoded, output_type="np")  # type: ignore[no-any-return]

    def _advance(self, painting: DiffusionPainting, rows: torch.Tensor) -> None:
        solver, prediction = painting.solver, rows
        timestep = solver.timesteps[painting.done]
        if painting.guidance_now == "computed":
            without, with_prompt = rows.chunk(2)
            difference = with_prompt - without
            prediction = without + painting.request.guidance_scale * difference
            painting.difference = difference if painting.request.guidance_cache > 1 else None
        elif painting.guidance_now == "cached" and painting.difference is not None:
            without = rows - painting.difference
            prediction = without + painting.request.guidance_scale * (rows - without)
        wanted = painting.done + 1 in painting.preview_steps and not is_being_drawn(painting.drawn)
        if wanted and self._drawer is not None:
            draw, latents = self._drawer.draw, painting.latents
            painting.preview = painting.drawn = self._or_no_preview(
                lambda: draw(expected_latents(solver, timestep, latents, prediction))
            )
        painting.latents = solver.step(
            prediction, timestep, painting.latents, **painting.solver_extras, return_dict=False
        )[0]
        painting.done += 1


def _batch(parts: Sequence[Any], spare: int) -> torch.Tensor:
    return torch.cat([*parts, *[parts[-1]] * spare])


def _added(rows: Sequence[Row], spare: int) -> dict[str, torch.Tensor] | None:
    if rows[0].pooled is None:
        return None
    return {
        "text_embeds": _batch([row.pooled for row in rows], spare),
        "time_ids": _batch([row.sizes for row in rows], spare),
    }


def _unscaled(latents: torch.Tensor, vae: Any) -> torch.Tensor:
    mean, deviation = getattr(vae, "latents_mean", None), getattr(vae, "latents_std", None)
    if mean is None or deviation is None:
        scaled: torch.Tensor = latents / vae.scaling_factor
        return scaled
    centre, spread = (latents.new_tensor(values).view(1, -1, 1, 1) for values in (mean, deviation))
    moved: torch.Tensor = latents * spread / vae.scaling_factor + centre
    return moved


def _is_xl(pipeline: Any) -> bool:
    return hasattr(pipeline, "text_encoder_2")
