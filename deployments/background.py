"""Paint a place from its description, wrapped in the contract's prompt terms."""

from __future__ import annotations

from deployments.generator import Generator
from deployments.messages import LayerJob

BACKGROUND_TERMS = (
    "cinematic lighting, detailed environment, atmospheric perspective, "
    "masterpiece, concept art, trending on artstation"
)
BACKGROUND_NEGATIVE = "people, characters, faces, low quality, blurry"


class Background(Generator):
    kind = "background"

    def prompts(self, job: LayerJob) -> tuple[str, str]:
        wrapped = job.enhance_prompt and self._adds_terms
        prompt = background_prompt(job.prompt) if wrapped else job.prompt
        default = BACKGROUND_NEGATIVE if self._negates else ""
        return prompt, default if job.negative_prompt is None else job.negative_prompt


def background_prompt(description: str) -> str:
    return f"beautiful detailed {description}, {BACKGROUND_TERMS}"
