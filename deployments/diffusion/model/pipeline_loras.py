"""Read the LoRAs that pictures name, and apply each only to the rows and the prompt of its own picture."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import Any

from deployments.diffusion.lora_weights import LoraWeights, PictureLora
from deployments.diffusion.model.family import Family
from deployments.diffusion.model.lora_files import LoraFile, lora_files
from deployments.diffusion.model.lora_reader import LoraReader
from deployments.diffusion.model.lora_rows import Changes, LoraRows, changes_of
from deployments.diffusion.model.pipeline_copy import Changed
from deployments.errors import InvalidRequest
from deployments.messages import LoraUse


class PipelineLoras:
    """Hold what a loaded pipeline needs for the LoRAs of `folder`.

    Create it before an IP-Adapter, which changes the UNet's configuration to one that cannot be built.
    `size_bytes` and `read` also work after `release`.
    """

    def __init__(self, pipeline: Any, family: Family, folder: str, model: str) -> None:
        self._family = family
        self._folder = folder
        self._reader = LoraReader(pipeline, model)
        self._rows = {name: LoraRows(getattr(pipeline, name)) for name in self._reader.network_names}

    def size_bytes(self, use: LoraUse) -> int:
        """Predict the bytes of a LoRA on the device. Raises InvalidRequest."""
        return self._file(use).numbers * self._reader.number_bytes

    def read(self, use: LoraUse) -> LoraWeights:
        """Read a LoRA onto the device. Raises InvalidRequest."""
        weights = self._reader.read(self._file(use).path)
        self._file(use)  # It may have been replaced meanwhile.
        return weights

    def release(self) -> None:
        """Drop the references to the pipeline's networks, which are unloaded."""
        self._rows = {}

    def in_rows(
        self, counts: Sequence[int], changes: Sequence[Changes], rows: int
    ) -> AbstractContextManager[None]:
        """Apply each picture's LoRAs to its own rows inside the block: one forward of the denoiser."""
        return self._rows[self._family.denoiser].applied(counts, changes, rows)

    def changed(self, loras: Sequence[PictureLora]) -> Changed:
        """Return the changes that a picture's LoRAs make."""
        encoders = {name: changes_of(loras, name) for name in self._rows if name != self._family.denoiser}
        if not any(encoders.values()):
            return Changed(in_rows=True)

        @contextmanager
        def in_texts() -> Iterator[None]:
            with ExitStack() as stack:
                for name, changes in encoders.items():
                    stack.enter_context(self._rows[name].applied([1], [changes]))
                yield

        return Changed(in_texts, tuple((lora.use.sha256, lora.use.scale) for lora in loras), in_rows=True)

    def _file(self, use: LoraUse) -> LoraFile:
        """Return the file that a job means. Raises InvalidRequest if it is gone or has been replaced."""
        found = lora_files(self._folder, self._family).get(use.name)
        if found is None or found.sha256 != use.sha256:
            raise InvalidRequest(f"the LoRA {use.name} was removed or replaced")
        return found
