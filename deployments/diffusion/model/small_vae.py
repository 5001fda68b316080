"""Draw previews with a small VAE, such as TAESD (https://github.com/madebyollin/taesd) in diffusers' form.

They are drawn on a separate thread, so that the model's thread never waits for one.
"""

from __future__ import annotations

import logging
import threading
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import diffusers
import numpy as np
from PIL import Image

from deployments.diffusion.latent_previews import to_pixels
from deployments.diffusion.model.folder import STEMS
from deployments.diffusion.model.hub import HUB_ID, offline
from deployments.diffusion.model.load_errors import blamed
from deployments.diffusion.model.load_network import REPORTING, check_weights, load_network
from deployments.diffusion.model.model_config import ModelConfig
from deployments.diffusion.model.model_files import check_network, part_weights
from deployments.diffusion.model.networks import denoiser_of, latent_channels
from deployments.errors import ModelUnusable, NotReady
from deployments.messages import Pixels

log = logging.getLogger(__name__)

SUBFOLDER = "preview_vae"
"""The folder of a preview VAE in a model's own folder."""
KIND = "AutoencoderTiny"
LONGEST_SIDE_PX = 256
MOST_WAITING = 16
"""The most previews waiting or being drawn. Each holds a picture's latents."""


class SmallVae:
    """A preview VAE that is already on its device. `close` frees it."""

    def __init__(self, vae: Any) -> None:
        self._vae = vae
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="previews")
        self._slots = threading.Semaphore(MOST_WAITING)
        self._failed = False

    def draw(self, latents: Any) -> Future[Pixels | None] | None:
        """Decode a preview of scaled latents, (1, channels, h, w), with no side above 256 pixels.

        Return None if as many as may wait are waiting. The future's result is None if drawing fails.
        """
        if not self._slots.acquire(blocking=False):
            return None
        drawing = self._thread.submit(self._draw, latents)
        drawing.add_done_callback(lambda _: self._slots.release())
        return drawing

    def close(self) -> None:
        """Wait for the preview that is being drawn, and draw no other."""
        self._thread.shutdown(cancel_futures=True)
        self._vae = None

    def _draw(self, latents: Any) -> Pixels | None:
        try:
            # TAESD was trained on scaled latents: its own factor is 1.
            own = latents.to(self._vae.dtype) / self._vae.config.scaling_factor
            image = self._vae.decode(own, return_dict=False)[0][0].float().cpu().numpy()
        except BaseException:  # Usually a lack of memory. The picture matters more than its preview.
            if not self._failed:
                log.warning("a preview could not be drawn; further failures are not logged", exc_info=True)
            self._failed = True
            return None
        picture = Image.fromarray(to_pixels(np.moveaxis(image, 0, -1)))
        picture.thumbnail((LONGEST_SIDE_PX, LONGEST_SIDE_PX))
        return np.asarray(picture)


def small_vae(config: ModelConfig, place: Path | None, pipeline: Any) -> SmallVae | None:
    """Return the configured VAE, else the one in the model's own folder, None if there is neither.

    It is on the pipeline's device, in its precision. Raises NotReady with a reason that names it.
    """
    source = config.preview_vae
    if source is None:
        if place is None or not (place / SUBFOLDER).is_dir():
            return None
        source, name = str(place / SUBFOLDER), f"{place.resolve().name}/{SUBFOLDER}"
    else:
        name = Path(source).name if Path(source).expanduser().exists() else source
    with blamed(f"the preview VAE {name}"):
        vae = _read(source, name, denoiser_of(pipeline).dtype)
        channels = latent_channels(pipeline)
        if vae.config.latent_channels != channels:
            raise ModelUnusable(
                f"the preview VAE {name} is for latents of {vae.config.latent_channels} channels, "
                f"but the model's have {channels}"
            )
        return SmallVae(vae.to(pipeline._execution_device).requires_grad_(False))


def _read(source: str, name: str, dtype: Any) -> Any:
    folder = Path(source).expanduser()
    where, local = (str(folder), True) if folder.is_dir() else (source, offline())
    precision = str(dtype).removeprefix("torch.")
    if folder.is_dir():
        check_network(folder, name, precision)
    elif folder.exists() or not HUB_ID.fullmatch(source):
        raise NotReady(f"the preview VAE {Path(source).name} is neither a local folder nor one on the hub")
    kind = diffusers.AutoencoderTiny
    if kind.load_config(where, local_files_only=local).get("_class_name") != KIND:
        raise ModelUnusable(f"the preview VAE {name} is not an {KIND}")
    shown = f"the preview VAE {name}"
    if folder.is_dir():
        weights = part_weights(folder, name, precision)
        return load_network(kind, folder, shown, STEMS["diffusers"], weights, dtype)
    vae, found = kind.from_pretrained(where, dtype=dtype, local_files_only=local, **REPORTING)
    check_weights(found, shown, {})
    return vae
