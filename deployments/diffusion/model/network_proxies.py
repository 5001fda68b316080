"""Replace the networks in a pipeline's copy, so that their calls can run with other requests' calls."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from functools import partial, wraps
from typing import Any, Literal

from deployments.diffusion.model.batched_calls import Call, CallReader, RowRules
from deployments.diffusion.model.guided_step import GuidedSteps
from deployments.diffusion.model.reference_attention import ReferenceRows
from deployments.diffusion.painter import Guidance

Where = Literal["controlnet", "denoiser", "decoder"]
Wait = Callable[[Where, Call], Any]
"""Returns the call's result, once the call was made."""
OnStep = Callable[[Any, Any, Any, Any], None]
"""Gets the scheduler, the prediction, the timestep and the sample, before the step."""
NO_NOISE = ("AutoencoderKL", "AsymmetricAutoencoderKL", "AutoencoderTiny", "PatchAutoencoder")
"""VAEs that take a generator when they decode, and draw nothing from it."""


def within_context(
    context: Callable[[], AbstractContextManager[None]], call: Callable[..., Any]
) -> Callable[..., Any]:
    def called(*positional: Any, **named: Any) -> Any:
        with context():
            return call(*positional, **named)

    return called


class NetworkProxy:
    """A proxy for a network in a copy of a pipeline, which behaves the same except for its calls."""

    def __init__(self, network: Any, wait: Wait) -> None:
        self._network = network
        self._wait = wait

    def __getattr__(self, name: str) -> Any:
        return getattr(self._network, name)


class DenoiserProxy(NetworkProxy):
    def __init__(
        self,
        network: Any,
        wait: Wait,
        rules: RowRules,
        exact: bool,
        guided_steps: GuidedSteps,
        guidance: Callable[[], tuple[int, Guidance]],
        references: ReferenceRows | None,
        config: Any,
    ) -> None:
        super().__init__(network, wait)
        self.config = config
        self._reader = CallReader(type(network).forward, rules, exact)
        self._guided_steps = guided_steps
        self._guidance = guidance
        self._references = references

    def __call__(self, *positional: Any, **keywords: Any) -> Any:
        if self._references is not None:
            keywords = self._references.carried(positional, keywords)
        call, make = self._reader.read(positional, keywords), partial(self._wait, "denoiser")
        return self._guided_steps.make(call, *self._guidance(), self._reader.read, make)

    def cache_context(self, *names: Any, **where: Any) -> AbstractContextManager[None]:
        """Skip the step caches' context: the network is shared, and others' calls come in between."""
        return nullcontext()


class ControlNetProxy(NetworkProxy):
    """The ControlNet in a copy. It has the network's class, since pipelines check it."""

    def __init__(self, network: Any, wait: Wait) -> None:
        super().__init__(network, wait)
        self._reader = CallReader(type(network).forward, RowRules())

    @property  # type: ignore[misc]
    def __class__(self) -> type:
        return type(self._network)

    def __call__(self, *positional: Any, **keywords: Any) -> Any:
        sample = positional[0]
        # One scale for each row, so that pictures with different scales share the forward.
        scale = sample.new_full((len(sample), 1, 1, 1), keywords["conditioning_scale"])
        keywords["conditioning_scale"] = scale
        return self._wait("controlnet", self._reader.read(positional, keywords))


class VaeProxy(NetworkProxy):
    """The VAE in a copy. `dtype` is what this pipeline cast it to. The shared network is never cast."""

    def __init__(self, network: Any, wait: Wait, dtype: Any) -> None:
        super().__init__(network, wait)
        self._reader = CallReader(type(network).decode, RowRules())
        self.dtype = dtype

    def decode(self, *positional: Any, **keywords: Any) -> Any:
        if type(self._network).__name__ in NO_NOISE:
            keywords.pop("generator", None)
        return self._wait("decoder", self._reader.read(positional, keywords))

    def encode(self, image: Any, *positional: Any, **keywords: Any) -> Any:
        """Encode in the network's own precision, since a pipeline casts the picture along with the VAE."""
        return self._network.encode(image.to(self._network.dtype), *positional, **keywords)

    def to(self, dtype: Any) -> VaeProxy:
        self.dtype = dtype
        return self


def is_half(network: Any) -> bool:
    return str(network.dtype) == "torch.float16"


def observed_step(scheduler: Any, before: OnStep, after: Callable[[], None]) -> Callable[..., Any]:
    step = scheduler.step

    @wraps(step)  # Pipelines inspect its parameters.
    def observed(model_output: Any, timestep: Any, sample: Any, *more: Any, **named: Any) -> Any:
        before(scheduler, model_output, timestep, sample)
        stepped = step(model_output, timestep, sample, *more, **named)
        after()
        return stepped

    return observed
