"""The character's replica: a figure, from a description of it."""

from __future__ import annotations

from deployments.generator import Generator
from deployments.messages import LayerJob
from deployments.story.prompts import CHARACTER_NEGATIVE, character_prompt


class Character(Generator):
    kind = "character"

    def prompts(self, job: LayerJob) -> tuple[str, str]:
        prompt = character_prompt(job.prompt, job.plain_backdrop) if job.enhance_prompt else job.prompt
        return prompt, CHARACTER_NEGATIVE if job.negative_prompt is None else job.negative_prompt
