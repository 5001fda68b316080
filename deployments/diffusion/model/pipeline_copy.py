"""Copy a diffusers pipeline for each request. Copies share the networks, but nothing that a call writes.

The code is the pipeline's own. In place of the denoiser, the ControlNet and the VAE a copy has proxies that
pass their calls to `wait`, so that the calls of several requests can be run together.
"""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable, Hashable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from functools import partial
from typing import Any

import diffusers
from diffusers.configuration_utils import FrozenDict

from deployments.diffusion.model.batched_calls import RowRules
from deployments.diffusion.model.encoded_prompts import EncodedPrompts
from deployments.diffusion.model.family import Family, Task
from deployments.diffusion.model.guided_step import GuidedSteps
from deployments.diffusion.model.ip_adapter import IpAdapter
from deployments.diffusion.model.network_proxies import (
    ControlNetProxy,
    DenoiserProxy,
    OnStep,
    VaeProxy,
    Wait,
    is_half,
    observed_step,
    within_context,
)
from deployments.diffusion.model.reference_attention import OF_ROWS
from deployments.diffusion.painter import Guidance

CHANNELS_OF_WORDS = 4


@dataclass(frozen=True)
class Changed:
    """Changes that a picture's LoRAs make. Its prompt is encoded inside `in_texts`.

    `texts_key` identifies the changes to the text encoders. `in_rows`: LoRAs change its rows of a forward.
    """

    in_texts: Callable[[], AbstractContextManager[None]] = nullcontext
    texts_key: Hashable = ()
    in_rows: bool = False


UNCHANGED = Changed()


class PipelineCopies:
    """Make the copies. `capacity` is how many encoded prompts are kept, and `exact` is as in CallReader.

    `controlnet` is the network for poses, if any, and `ip_adapter` the one for references.
    """

    def __init__(
        self,
        pipeline: Any,
        family: Family,
        capacity: int,
        exact: bool,
        controlnet: Any = None,
        ip_adapter: IpAdapter | None = None,
    ) -> None:
        self._family = family
        self._denoiser = family.denoiser
        self._rules = RowRules(family.shared, family.row_lists | {OF_ROWS})
        self._controlnet = controlnet
        self._ip_adapter = ip_adapter
        self._exact = exact
        self._vae_dtype = pipeline.vae.dtype
        # These pipelines cast the VAE back and forth for every picture, in the middle of another's.
        if hasattr(pipeline, "upcast_vae") and pipeline.vae.config.force_upcast and is_half(pipeline.vae):
            pipeline.vae.float()
        self._exact = exact
        self._prompts = EncodedPrompts(capacity)
        self._words = pipeline
        self._pipelines: dict[str, Any] = {type(pipeline).__name__: pipeline}
        # Read once: diffusers searches every module for it, which takes a millisecond each time.
        self._own = {
            "_execution_device": pipeline._execution_device,
            "maybe_free_model_hooks": lambda self: None,
        }
        self._kinds: dict[str, type] = {}

    def make(
        self,
        wait: Wait,
        before_step: OnStep,
        after_step: Callable[[], None],
        guidance: Callable[[int], tuple[int, Guidance]] = lambda steps: (0, "computed"),
        task: Task = "text_to_image",
        posed: bool = False,
        reference_scale: float = 0.0,
        changed: Changed = UNCHANGED,
        caches_guidance: bool = False,
    ) -> Any:
        """Copy the pipeline of a task.

        `guidance` is given the number of steps, and returns the current one and where its guidance comes
        from. `posed` selects the pipeline with a ControlNet. `reference_scale` is how closely the picture
        follows its references, if any. `caches_guidance` is as in GuidedSteps.

        The parts are set in `__dict__`, since diffusers' setattr writes into the configuration that all
        copies share.
        """
        pipeline = self._words
        of_task = self._of(task, posed)
        made = copy.copy(of_task)
        made.__class__ = self._kinds[type(of_task).__name__]
        # Rebuilding it from its configuration would re-apply defaults that the model's files override.
        scheduler = copy.deepcopy(pipeline.scheduler)
        scheduler.step = observed_step(scheduler, before_step, after_step)
        if posed:
            made.__dict__["controlnet"] = ControlNetProxy(self._controlnet, wait)
        denoiser = getattr(pipeline, self._denoiser)
        made.__dict__ |= {
            self._denoiser: DenoiserProxy(
                denoiser,
                wait,
                self._rules,
                self._exact or changed.in_rows,
                GuidedSteps(self._family.prompt_first, self._family.guided_calls, caches_guidance),
                lambda: guidance(len(scheduler.timesteps)),
                None if self._ip_adapter is None else self._ip_adapter.of_one(reference_scale),
                _config_for(task, denoiser, pipeline.vae),
            ),
            "vae": VaeProxy(pipeline.vae, wait, self._vae_dtype),
            "scheduler": scheduler,
            "encode_prompt": partial(
                self._prompts.encode, within_context(changed.in_texts, made.encode_prompt), changed.texts_key
            ),
            "_num_timesteps": None,
            "_progress_bar_config": {"disable": True},
        }
        return made

    def arguments_of(self, task: Task, posed: bool = False) -> frozenset[str]:
        """Return the names of the arguments that the call of a task's pipeline takes."""
        return frozenset(inspect.signature(type(self._of(task, posed)).__call__).parameters)

    def _of(self, task: Task, posed: bool) -> Any:
        """Return the pipeline of a task: the model's own, or one over its networks."""
        name = type(self._words).__name__
        if posed:
            name = self._family.controlled[task]
        elif task != "text_to_image":
            name = self._family.task_pipelines[task]
        if name not in self._pipelines:
            more = {"controlnet": self._controlnet} if posed else {}
            self._pipelines[name] = over_the_networks_of(self._words, getattr(diffusers, name), **more)
        if name not in self._kinds:
            kind = type(self._pipelines[name])
            self._kinds[name] = type(name, (kind,), self._own)
        return self._pipelines[name]


def _config_for(task: Task, denoiser: Any, vae: Any) -> Any:
    """Return the configuration in which a pipeline looks up its denoiser's channels.

    Inpainting pipelines accept a text-to-image UNet only if it reads 4 channels, however many the latents of
    its VAE have.
    """
    config = denoiser.config
    is_unet = hasattr(denoiser, "conv_in")
    if task != "inpainting" or not is_unet or config.get("in_channels") != vae.config.get("latent_channels"):
        return config
    return FrozenDict({**config, "in_channels": CHANNELS_OF_WORDS})


def over_the_networks_of(pipeline: Any, kind: Any, **more: Any) -> Any:
    """Make a pipeline of another class with the parts and the options of this one, and `more` parts.

    This is what AutoPipelineForImage2Image.from_pipe does, but that does not know every class.
    """
    parts, options = kind._get_signature_keys(kind)
    own = {name: part for name, part in pipeline.components.items() if name in parts}
    own |= {name: pipeline.config[name] for name in options if name in pipeline.config} | more
    with _square_unet(own.get("unet")), no_warnings():
        return kind(**own)


@contextmanager
def _square_unet(unet: Any) -> Iterator[None]:
    """Make a UNet's sample size one number inside the block, since these classes compare it with 64."""
    size = None if unet is None else unet.config.sample_size
    if not isinstance(size, list | tuple):
        yield
        return
    own = unet._internal_dict
    unet._internal_dict = FrozenDict({**own, "sample_size": max(size)})
    try:
        yield
    finally:
        unet._internal_dict = own


@contextmanager
def no_warnings() -> Iterator[None]:
    """Silence diffusers' warnings inside the block: they were given when the model was loaded."""
    before = diffusers.utils.logging.get_verbosity()
    diffusers.utils.logging.set_verbosity_error()
    try:
        yield
    finally:
        diffusers.utils.logging.set_verbosity(before)
