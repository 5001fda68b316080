"""Copy a pipeline of diffusers for each request: the networks are shared, what its call writes is its own.

The code is the pipeline's. In place of the denoiser and the VAE a copy has proxies that hand their calls to
`wait`, so that the calls of several requests can be run together.
"""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable, Hashable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from functools import partial, wraps
from typing import Any, Literal

import diffusers
from diffusers.configuration_utils import FrozenDict

from deployments.diffusion.model.batched_calls import Call, CallReader, RowRules
from deployments.diffusion.model.encoded_prompts import EncodedPrompts
from deployments.diffusion.model.family import Family, Task
from deployments.diffusion.model.ip_adapter import OF_ROWS, IpAdapter, ReferenceRows
from deployments.diffusion.model.unguided_step import UnguidedSteps

Where = Literal["controlnet", "denoiser", "decoder"]
Wait = Callable[[Where, Call], Any]
"""Returns what the call returns, once it was made."""
OnStep = Callable[[Any, Any, Any, Any], None]
"""Is given the scheduler, the prediction, the timestep and the sample, before the step."""
NO_NOISE = ("AutoencoderKL", "AsymmetricAutoencoderKL", "AutoencoderTiny", "PatchAutoencoder")
"""VAEs that take a generator when they decode, and draw nothing from it."""


CHANNELS_OF_WORDS = 4


@dataclass(frozen=True)
class Changed:
    """Changes of a picture's LoRAs. `in_texts`: its words are read inside of it; `texts_key` tells it apart.

    `in_rows`: its rows differ from others' rows of one forward.
    """

    in_texts: Callable[[], AbstractContextManager[None]] = nullcontext
    texts_key: Hashable = ()
    in_rows: bool = False


UNCHANGED = Changed()


class PipelineCopies:
    """Make the copies. `capacity`: how many encoded prompts are kept; `exact`: as in CallReader.

    `controlnet`: the network for poses, where there is one; `ip_adapter`: that for references.
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
        # These pipelines cast it there and back at every picture, in the middle of another's.
        if hasattr(pipeline, "upcast_vae") and pipeline.vae.config.force_upcast and _is_half(pipeline.vae):
            pipeline.vae.float()
        self._exact = exact
        self._prompts = EncodedPrompts(capacity)
        self._words = pipeline
        self._pipelines: dict[str, Any] = {type(pipeline).__name__: pipeline}
        # Read once: diffusers looks through every module for it, a millisecond each time.
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
        unguided: Callable[[int], int | None] = lambda steps: None,
        task: Task = "text_to_image",
        posed: bool = False,
        reference_scale: float = 0.0,
        changed: Changed = UNCHANGED,
    ) -> Any:
        """Copy the pipeline of a task.

        `unguided` gives the step under way, of so many, where it has no guidance. `posed`: the one with a
        ControlNet. `reference_scale`: by which it follows its references, where it has any.

        Not by setattr, with which diffusers writes into the configuration that all copies share.
        """
        pipeline = self._words
        of_task = self._of(task, posed)
        made = copy.copy(of_task)
        made.__class__ = self._kinds[type(of_task).__name__]
        # Rebuilding it from its configuration would re-apply defaults that the model's files override.
        scheduler = copy.deepcopy(pipeline.scheduler)
        scheduler.step = _observed(scheduler, before_step, after_step)
        if posed:
            made.__dict__["controlnet"] = _ControlNet(self._controlnet, wait)
        denoiser = getattr(pipeline, self._denoiser)
        made.__dict__ |= {
            self._denoiser: _Denoiser(
                denoiser,
                wait,
                self._rules,
                self._exact or changed.in_rows,
                UnguidedSteps(self._family.prompt_first, self._family.guided_calls),
                lambda: unguided(len(scheduler.timesteps)),
                None if self._ip_adapter is None else self._ip_adapter.of_one(reference_scale),
                _config_for(task, denoiser, pipeline.vae),
            ),
            "vae": _Vae(pipeline.vae, wait, self._vae_dtype),
            "scheduler": scheduler,
            "encode_prompt": partial(
                self._prompts.encode, _inside(changed.in_texts, made.encode_prompt), changed.texts_key
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
    """Return the configuration in which a pipeline looks for its denoiser's channels.

    Those for inpainting take a UNet for one of text to image only where it reads 4 channels, whatever the
    latents of its VAE have.
    """
    config = denoiser.config
    is_unet = hasattr(denoiser, "conv_in")
    if task != "inpainting" or not is_unet or config.get("in_channels") != vae.config.get("latent_channels"):
        return config
    return FrozenDict({**config, "in_channels": CHANNELS_OF_WORDS})


def over_the_networks_of(pipeline: Any, kind: Any, **more: Any) -> Any:
    """Make a pipeline of another class with the parts and the options of this one, and `more` parts.

    As AutoPipelineForImage2Image.from_pipe does, which does not know every class.
    """
    parts, options = kind._get_signature_keys(kind)
    own = {name: part for name, part in pipeline.components.items() if name in parts}
    own |= {name: pipeline.config[name] for name in options if name in pipeline.config} | more
    with _square_unet(own.get("unet")), no_warnings():
        return kind(**own)


@contextmanager
def _square_unet(unet: Any) -> Iterator[None]:
    """Let a UNet's sample size be one number meanwhile: these classes compare it with 64."""
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


def _inside(
    context: Callable[[], AbstractContextManager[None]], call: Callable[..., Any]
) -> Callable[..., Any]:
    def called(*positional: Any, **named: Any) -> Any:
        with context():
            return call(*positional, **named)

    return called


@contextmanager
def no_warnings() -> Iterator[None]:
    """Keep what was said when the model was loaded from being said again."""
    before = diffusers.utils.logging.get_verbosity()
    diffusers.utils.logging.set_verbosity_error()
    try:
        yield
    finally:
        diffusers.utils.logging.set_verbosity(before)


class _Network:
    """Replace a network in a copy of a pipeline: the same in everything but its calls."""

    def __init__(self, network: Any, wait: Wait) -> None:
        self._network = network
        self._wait = wait

    def __getattr__(self, name: str) -> Any:
        return getattr(self._network, name)


class _Denoiser(_Network):
    def __init__(
        self,
        network: Any,
        wait: Wait,
        rules: RowRules,
        exact: bool,
        unguided_steps: UnguidedSteps,
        unguided: Callable[[], int | None],
        references: ReferenceRows | None,
        config: Any,
    ) -> None:
        super().__init__(network, wait)
        self.config = config
        self._reader = CallReader(type(network).forward, rules, exact)
        self._unguided_steps = unguided_steps
        self._unguided = unguided
        self._references = references

    def __call__(self, *positional: Any, **keywords: Any) -> Any:
        if self._references is not None:
            keywords = self._references.carried(positional, keywords)
        call, make = self._reader.read(positional, keywords), partial(self._wait, "denoiser")
        step = self._unguided()
        if step is None:
            return make(call)
        return self._unguided_steps.make(call, step, self._reader.read, make)

    def cache_context(self, *names: Any, **where: Any) -> AbstractContextManager[None]:
        """Leave out the context of step caches: it is the network's, and others' calls come in between."""
        return nullcontext()


class _ControlNet(_Network):
    """The ControlNet in a copy. Pipelines ask for its class."""

    def __init__(self, network: Any, wait: Wait) -> None:
        super().__init__(network, wait)
        self._reader = CallReader(type(network).forward, RowRules())

    @property  # type: ignore[misc]
    def __class__(self) -> type:
        return type(self._network)

    def __call__(self, *positional: Any, **keywords: Any) -> Any:
        sample = positional[0]
        # One for each row, so that pictures of other scales share the forward.
        scale = sample.new_full((len(sample), 1, 1, 1), keywords["conditioning_scale"])
        keywords["conditioning_scale"] = scale
        return self._wait("controlnet", self._reader.read(positional, keywords))


class _Vae(_Network):
    """The VAE in a copy. `dtype`: what this pipeline has cast it to; the network stays as it is, for all."""

    def __init__(self, network: Any, wait: Wait, dtype: Any) -> None:
        super().__init__(network, wait)
        self._reader = CallReader(type(network).decode, RowRules())
        self.dtype = dtype

    def decode(self, *positional: Any, **keywords: Any) -> Any:
        if type(self._network).__name__ in NO_NOISE:
            keywords.pop("generator", None)
        return self._wait("decoder", self._reader.read(positional, keywords))

    def encode(self, image: Any, *positional: Any, **keywords: Any) -> Any:
        """Encode in the network's own precision: a pipeline that has cast it has cast the picture with it."""
        return self._network.encode(image.to(self._network.dtype), *positional, **keywords)

    def to(self, dtype: Any) -> _Vae:
        self.dtype = dtype
        return self


def _is_half(network: Any) -> bool:
    return str(network.dtype) == "torch.float16"


def _observed(scheduler: Any, before: OnStep, after: Callable[[], None]) -> Callable[..., Any]:
    step = scheduler.step

    @wraps(step)  # Pipelines inspect its parameters.
    def observed(model_output: Any, timestep: Any, sample: Any, *more: Any, **named: Any) -> Any:
        before(scheduler, model_output, timestep, sample)
        stepped = step(model_output, timestep, sample, *more, **named)
        after()
        return stepped

    return observed
