"""The character's replica: a figure, from a description of it."""

from __future__ import annotations

from deployments.generator import Generator
from deployments.messages import LayerJob
from deployments.story.prompts import CHARACTER_NEGATIVE, character_prompt


class Character(Generator):
    kind = "character"

    def prompts(self, job: LayerJob) -> tuple[str, str]:
        prompt = job.prompt
        if job.enhance_prompt:
            prompt = character_prompt(prompt, job.plain_backdrop, self._adds_terms)
        default = CHARACTER_NEGATIVE if self._negates else ""
        return prompt, default if job.negative_prompt is None else job.negative_prompt
