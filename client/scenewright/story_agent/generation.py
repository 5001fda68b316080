"""ImageGenerationService, which paints a layer from a prompt into a file."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

from ..choices import LayerKind
from ..errors import ScenewrightError, ServerUnreachable
from ..synchronous import Scenewright
from .files import format_of, write
from .finishing import create_placeholder_image
from .prompts import BACKGROUND_TERMS, CHARACTER_TERMS, background_prompt, character_prompt
from .settings import AgentSettings, default_settings

log = logging.getLogger(__name__)
CHARACTER_SEED = 42
BACKGROUND_SEED = 123
SEEDS: dict[LayerKind, int] = {"character": CHARACTER_SEED, "background": BACKGROUND_SEED}
AT_ONCE = 8
"""How many requests run at the same time. The service batches their steps, and refuses them if overloaded."""


class ImageGenerationService:
    """Paint layers into files. `placeholders` lists the files with a placeholder, ours or the service's.

    Without fallbacks, painting raises ScenewrightError and ServerUnreachable.
    """

    def __init__(self, service: Scenewright | None = None, settings: AgentSettings | None = None) -> None:
        self._settings = settings or default_settings()
        self._service = service or self._settings.connect()
        self.placeholders: list[str] = []

    def generate_character_image(
        self, prompt: str, output_path: str | Path, seed: int = CHARACTER_SEED
    ) -> str:
        """Paint a character, and return the file's path.

        A prompt made by `optimize_character_prompt` is not wrapped again.
        """
        return self._generate("character", prompt, output_path, seed)

    def generate_background_image(
        self, prompt: str, output_path: str | Path, seed: int = BACKGROUND_SEED
    ) -> str:
        return self._generate("background", prompt, output_path, seed)

    def generate_multiple_images(
        self, prompts: Sequence[str], output_dir: str | Path, kind: LayerKind = "character"
    ) -> list[str]:
        """Paint OUTPUT_DIR/image_1.png, image_2.png, … at the same time, each with its fallbacks."""
        paths = [Path(output_dir) / f"image_{number}.png" for number in range(1, len(prompts) + 1)]
        with ThreadPoolExecutor(AT_ONCE) as workers:
            each = partial(self.generate_with_fallback, kind=kind)
            return list(workers.map(each, prompts, paths))

    def generate_with_fallback(
        self, prompt: str, output_path: str | Path, kind: LayerKind = "character", seed: int | None = None
    ) -> str:
        """Paint as requested, else with fewer steps or at a smaller size, else draw a placeholder.

        It also draws a placeholder if no service responds.
        """
        seed = SEEDS[kind] if seed is None else seed
        try:
            return self._generate(kind, prompt, output_path, seed, fallback="placeholder")
        except (ScenewrightError, ServerUnreachable) as error:
            log.warning("drew a placeholder for %s: %s", output_path, error)
        path = create_placeholder_image(prompt, output_path, *self._settings.size(kind), kind)
        self.placeholders.append(path)
        return path

    def optimize_character_prompt(self, description: str) -> str:
        """Return the prompt as the model gets it.

        The prompt also asks for a plain backdrop if the figure will be cut out.
        """
        return character_prompt(description, plain_backdrop=self._settings.merging.mode != "paste")

    def optimize_background_prompt(self, description: str) -> str:
        return background_prompt(description)

    def _generate(
        self, kind: LayerKind, prompt: str, output_path: str | Path, seed: int, **options: Any
    ) -> str:
        if kind == "character":
            words = prompt if CHARACTER_TERMS in prompt else self.optimize_character_prompt(prompt)
            paint = self._service.character
        else:
            words = prompt if BACKGROUND_TERMS in prompt else self.optimize_background_prompt(prompt)
            paint = self._service.background
        output = {"format": format_of(output_path)}
        options = {**self._settings.layer(kind), "seed": seed, "output": output, **options}
        layer = paint(words, enhance_prompt=False, **options)
        for how in layer.degraded:
            log.warning("%s: %s", output_path, how)
        path = write(output_path, layer.data)
        if "placeholder" in layer.degraded:
            self.placeholders.append(path)
        return path
