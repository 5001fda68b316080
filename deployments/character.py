"""Paint a figure from its description, wrapped in the contract's prompt terms."""

from __future__ import annotations

from deployments.generator import Generator
from deployments.messages import LayerJob

CHARACTER_TERMS = (
    "highly detailed, professional digital art, intricate details, sharp focus, "
    "fantasy art style, concept art, detailed character design"
)
CHARACTER_NEGATIVE = "blurry, low quality, distorted, extra limbs, bad anatomy"
PLAIN_BACKDROP_TERMS = "full body, plain light gray studio background"


class Character(Generator):
    kind = "character"

    def prompts(self, job: LayerJob) -> tuple[str, str]:
        prompt = job.prompt
        if job.enhance_prompt:
            prompt = character_prompt(prompt, job.plain_backdrop, self._adds_terms)
        default = CHARACTER_NEGATIVE if self._negates else ""
        return prompt, default if job.negative_prompt is None else job.negative_prompt


def character_prompt(description: str, plain_backdrop: bool = False, quality_terms: bool = True) -> str:
    """Return a figure's prompt; a figure that will be cut out gets a plain backdrop."""
    terms = [description, *([CHARACTER_TERMS] if quality_terms else [])]
    if plain_backdrop:
        terms.append(PLAIN_BACKDROP_TERMS)
    return ", ".join(terms)
