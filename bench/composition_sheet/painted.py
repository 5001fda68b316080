"""Paint layers with the bundled models through the replicas' own classes, without Ray and without HTTP."""

from __future__ import annotations

import asyncio
import time

from deployments.background import Background
from deployments.character import Character
from deployments.diffusion.model.model_config import ModelConfig
from deployments.generator import Generator, GeneratorConfig
from deployments.messages import LayerJob, LayerKind, LayerResult

SIZES: dict[LayerKind, tuple[int, int]] = {"character": (384, 512), "background": (768, 384)}
GUIDANCE: dict[LayerKind, float] = {"character": 7.5, "background": 6.0}
PATIENCE_S = 3_600.0


class Studio:
    """One bundled model, which paints characters as in a scene: with the plain backdrop for a cut-out."""

    def __init__(self, kind: LayerKind, steps: int) -> None:
        replica: type[Generator] = Character if kind == "character" else Background
        self._kind, self._steps = kind, steps
        self._generator = replica(GeneratorConfig(ModelConfig(f"storybook-{kind}", threads=1)))

    def paint(self, words: str, seed: int) -> LayerResult:
        width_px, height_px = SIZES[self._kind]
        job = LayerJob(
            request_id=f"bench-{seed}",
            kind=self._kind,
            prompt=words,
            num_inference_steps=self._steps,
            guidance_scale=GUIDANCE[self._kind],
            seed=seed,
            width_px=width_px,
            height_px=height_px,
            deadline_at=time.monotonic() + PATIENCE_S,
            plain_backdrop=self._kind == "character",
        )
        return asyncio.run(self._generator.paint(job))
