"""The background's replica: a place, from a description of it."""

from __future__ import annotations

from deployments.generator import Generator
from deployments.messages import LayerJob
from deployments.story.prompts import BACKGROUND_NEGATIVE, background_prompt


class Background(Generator):
    kind = "background"

    def prompts(self, job: LayerJob) -> tuple[str, str]:
        wrapped = job.enhance_prompt and self._adds_terms
        prompt = background_prompt(job.prompt) if wrapped else job.prompt
        default = BACKGROUND_NEGATIVE if self._negates else ""
        return prompt, default if job.negative_prompt is None else job.negative_prompt
