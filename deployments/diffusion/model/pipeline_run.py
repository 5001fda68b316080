"""Run one request's pipeline in a greenlet, up to its next call of a network that requests share.

These are the ControlNet, the denoiser and the VAE's decoder. At such a call the pipeline is suspended until
its runner has the result.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any, Literal

import torch
from greenlet import GreenletExit, getcurrent, greenlet

from deployments.diffusion.model.batched_calls import Call
from deployments.diffusion.model.family import Task
from deployments.diffusion.model.network_proxies import OnStep, Where
from deployments.diffusion.model.pipeline_copy import UNCHANGED, Changed, PipelineCopies
from deployments.diffusion.painter import WHOLE, Guidance, guidance_at

log = logging.getLogger(__name__)


class Progress:
    """State that a greenlet writes.

    Nothing in it may refer to the greenlet, since such a cycle would never be freed.
    """

    done = 0
    closed = False
    outer_mode = True
    before_step: OnStep | None = None
    guided_in = WHOLE
    guided_every = 1

    def wait(self, where: Where, call: Call) -> Any:
        if self.closed:  # The pipeline goes on painting while it unwinds.
            raise GreenletExit
        # The mode is the thread's, and a pipeline's own `no_grad` ends long after others entered theirs.
        own = torch.is_grad_enabled()
        torch.set_grad_enabled(self.outer_mode)
        try:
            return getcurrent().parent.switch((where, call))
        finally:
            self.outer_mode = torch.is_grad_enabled()
            torch.set_grad_enabled(own)

    def paint(self, pipeline: Any, arguments: Mapping[str, Any]) -> Any:
        """Run the pipeline: the body of the greenlet."""
        self.outer_mode = torch.is_grad_enabled()
        try:
            return pipeline(**arguments)
        finally:
            torch.set_grad_enabled(self.outer_mode)

    def guidance(self, steps: int) -> tuple[int, Guidance]:
        """Return the current step of `steps`, and where its guidance comes from."""
        return self.done, guidance_at(self.done, steps, self.guided_in, self.guided_every)

    def begin_step(self, *step: Any) -> None:
        if self.before_step is not None:
            self.before_step(*step)

    def end_step(self) -> None:
        self.done += 1


class PipelineRun:
    """A pipeline in a greenlet of one thread. It waits `at` a `call`, or has ended with its `output`."""

    def __init__(
        self,
        copies: PipelineCopies,
        arguments: Mapping[str, Any],
        guided_in: tuple[float, float] = WHOLE,
        task: Task = "text_to_image",
        posed: bool = False,
        reference_scale: float = 0.0,
        changed: Changed = UNCHANGED,
        guided_every: int = 1,
    ) -> None:
        """Run to the first call. Raises what the pipeline raises.

        `guided_in` is the range of a guided picture's steps that have guidance, as fractions. One step in
        `guided_every` computes it. The other arguments are as in PipelineCopies.make.
        """
        self.progress = Progress()
        self.progress.guided_in, self.progress.guided_every = guided_in, guided_every
        self.at: Where | Literal["end"] = "end"
        self._call: Call | None = None
        self.output: Any = None
        progress = self.progress
        self._pipeline = copies.make(
            progress.wait,
            progress.begin_step,
            progress.end_step,
            progress.guidance,
            task,
            posed,
            reference_scale,
            changed,
            guided_every > 1,
        )
        self._greenlet = greenlet(self.progress.paint)
        self._switch(self._pipeline, arguments)

    @property
    def call(self) -> Call:
        """Return the call whose result it waits for."""
        if self._call is None:
            raise RuntimeError("the pipeline is not waiting for a call")
        return self._call

    @property
    def scheduler(self) -> Any:
        return self._pipeline.scheduler

    @property
    def steps(self) -> int:
        """Return the actual number of steps, since some schedulers take more than requested."""
        return int(self._pipeline.__dict__["_num_timesteps"] or len(self.scheduler.timesteps))

    def resume(self, outcome: Any) -> None:
        """Resume with the call's result. Raises what the pipeline raises, which ends it."""
        self._switch(outcome)

    def close(self) -> None:
        """End the pipeline wherever it is: it unwinds, and frees what it holds. Idempotent."""
        self.progress.closed = True
        if not self._greenlet.dead:
            try:
                self._greenlet.throw(GreenletExit)
            except BaseException:
                log.warning("a pipeline failed while it was being closed", exc_info=True)
        self.at, self._call, self.output, self._pipeline = "end", None, None, None

    def _switch(self, *values: Any) -> None:
        self.at, self._call = "end", None
        returned = self._greenlet.switch(*values)
        if self._greenlet.dead:
            self.output = returned
        else:
            self.at, self._call = returned
