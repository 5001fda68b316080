"""Define the base of both painters, which holds a replica's loaded pipeline and measures its forwards."""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic

import numpy as np
import torch

from deployments.diffusion.latent_previews import LatentMap, latent_map
from deployments.diffusion.lora_weights import LoraWeights
from deployments.diffusion.model.device import DeviceClock
from deployments.diffusion.model.known_words import KnownWords, read_known_words
from deployments.diffusion.model.loader import load, unload
from deployments.diffusion.model.model_config import ModelConfig
from deployments.diffusion.model.model_files import fingerprint
from deployments.diffusion.model.networks import has_xl_latents, latent_channels
from deployments.diffusion.model.picture_linears import PictureLinears
from deployments.diffusion.model.registry import card_of, locate
from deployments.diffusion.model.small_vae import SmallVae, small_vae
from deployments.diffusion.painter import PaintRequest, Preview, SomePainting
from deployments.diffusion.start_picture import StartPicture
from deployments.errors import NO_LORAS, NotReady, UnsupportedTask
from deployments.messages import Backend, LoraUse

if TYPE_CHECKING:
    from deployments.diffusion.model.background_compile import BackgroundCompile

log = logging.getLogger(__name__)

LONG_FORWARD_S = 0.05


class LoadedModel(ABC, Generic[SomePainting]):
    """A Painter without `begin`, `step` and `decode`. It owns one pipeline, and is used from one thread."""

    backend: Backend = "diffusers"

    def __init__(self, config: ModelConfig) -> None:
        self._config = config
        card = card_of(config)
        self.model = card.id
        self.native_size = card.native_size
        self.latent_factor = card.latent_factor
        self.fixed_rows = config.exact_rows if config.exact else None
        self.fingerprint = ""
        self._pipeline: Any = None
        self._device = torch.device("cpu")
        self._clock = DeviceClock(self._device)
        self._known: KnownWords | None = None
        self._drawer: SmallVae | LatentMap | None = None
        self._preview_failed = False
        self._compile: BackgroundCompile | None = None

    @abstractmethod
    def begin(self, request: PaintRequest) -> SomePainting: ...

    @abstractmethod
    def step(self, paintings: Sequence[SomePainting]) -> None: ...

    @property
    def example_start(self) -> StartPicture | None:
        if card_of(self._config).family.from_words:
            return None
        width, height = self.native_size
        return StartPicture(name="", strength=1.0, pixels=np.full((height, width, 3), 128, np.uint8))

    @property
    def loaded(self) -> bool:
        return self._pipeline is not None

    def load(self) -> None:
        """Load the model. Idempotent. Raises NotReady with a reason that names the file at fault."""
        if self._pipeline is not None:
            return
        place = locate(self._config.source)
        self.fingerprint = fingerprint(place, self._config, *map(fingerprint, self._beside()))
        pipeline = load(self._config)
        try:
            self.adopt(pipeline, place)
        except NotReady:
            unload(pipeline)
            raise

    def _beside(self) -> list[Path]:
        """Return the local paths of the networks that are loaded beside the model."""
        adapter = self._config.ip_adapter
        sources = [
            self._config.pose_controlnet,
            *((adapter.source, adapter.image_encoder) if adapter else ()),
        ]
        places = [Path(source).expanduser() for source in sources if source is not None]
        return [place for place in places if place.exists()]

    def adopt(self, pipeline: Any, place: Path | None = None) -> None:
        """Paint with this pipeline, which is already on its device. `place` is the folder it came from.

        Raises NotReady if its small VAE cannot be used.
        """
        by_family = latent_map(place, latent_channels(pipeline), has_xl_latents(pipeline))
        self._drawer = small_vae(self._config, place, pipeline) or by_family
        self._known = read_known_words(place)
        # Read once: diffusers searches every module for it, which takes a millisecond each time.
        self._device = pipeline._execution_device
        self._clock = DeviceClock(self._device)
        self._pipeline = pipeline

    def unload(self) -> None:
        pipeline, drawer = self._pipeline, self._drawer
        # First, so that if the rest fails the next load does not take a broken pipeline for a whole one.
        self._pipeline = self._drawer = None
        self.stop_compiling()
        if isinstance(drawer, SmallVae):
            drawer.close()
        if pipeline is not None:
            unload(pipeline)

    @property
    def compile_states(self) -> Mapping[str, int]:
        beside = self._compile
        return {} if beside is None else beside.states

    def start_compiling(self) -> None:
        beside = self._compile
        if beside is not None:
            beside.start()

    def stop_compiling(self) -> None:
        beside, self._compile = self._compile, None
        if beside is not None:
            beside.close()

    def _compile_beside(self, network: Any) -> BackgroundCompile | None:
        """Return the background compiler of a network's forwards, or None if it is not configured."""
        if self._config.compile != "auto":
            return None
        # Imported only here, and so only if it is configured.
        from deployments.diffusion.model.background_compile import BackgroundCompile

        return BackgroundCompile(self._config, network)

    def lora_size(self, use: LoraUse) -> int:
        raise UnsupportedTask(NO_LORAS)

    def read_lora(self, use: LoraUse) -> LoraWeights:
        raise UnsupportedTask(NO_LORAS)

    def measure(self, rows: int) -> float:
        width, height = self.native_size
        # No family guides at scale 0, so each picture has one row.
        request = PaintRequest("", "", 4, 0.0, 0, width, height, start=self.example_start)
        paintings: list[SomePainting] = []
        try:
            for _ in range(rows):
                paintings.append(self.begin(request))
            first_s = self._step_s(paintings)
            on_cpu = self._device.type == "cpu" and self._config.compile is not True
            if on_cpu and rows > 1 and first_s > LONG_FORWARD_S:
                return first_s  # The start waits for this. If it is decisive, calibration measures again.
            # Otherwise the first forward at a row count allocates, and compiles if that is configured.
            return min(self._step_s(paintings) for _ in range(2))
        finally:
            for painting in paintings:
                painting.close()

    def free(self) -> None:
        self._pipeline.maybe_free_model_hooks()
        torch.cuda.empty_cache()
        if self.fixed_rows is not None and self.fixed_rows > 2:
            self.fixed_rows //= 2
            log.warning("out of memory: exact_rows is lowered to %d", self.fixed_rows)

    def _apart_on_cpu(self, *networks: torch.nn.Module | None) -> PictureLinears:
        """Keep pictures' vectors apart on a CPU, where it costs next to nothing, unless it is compiled."""
        if self._device.type != "cpu" or self._config.compile is True:
            return PictureLinears()
        return PictureLinears(*(network for network in networks if network is not None))

    def _or_no_preview(self, draw: Callable[[], Preview | None]) -> Preview | None:
        """Return a preview, or None if it fails, since the picture matters more. Log the first failure."""
        try:
            return draw()
        except BaseException:
            if not self._preview_failed:
                log.warning("a preview could not be drawn; further failures are not logged", exc_info=True)
            self._preview_failed = True
            return None

    def _step_s(self, paintings: Sequence[SomePainting]) -> float:
        began = self._clock.now_s()
        self.step(paintings)
        return self._clock.now_s() - began

    def _filled(self, rows: int) -> int:
        """Return the row count to fill up to: always the same if exact, one of a few if compiled."""
        if self.fixed_rows is not None:
            return max(rows, self.fixed_rows)
        return 1 << (rows - 1).bit_length() if self._config.compile is True else rows
