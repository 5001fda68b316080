"""The merger's replica: painted layers in, one encoded picture out, on a CPU.

Each piece of work waits for its tenant's turn and for the memory that it will take (work_queue.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import ClassVar

from PIL import Image

from deployments.bounds import Bytes, Count
from deployments.errors import ContentRefused, CutoutFailed, InvalidRequest
from deployments.imaging.consistency.comparing import FigureComparer
from deployments.imaging.consistency.embedder import ConsistencyConfig
from deployments.imaging.cutout.matting import LEAST_CONFIDENCE, climb
from deployments.imaging.cutout.neural_matting import MattingConfig, NeuralMatte
from deployments.imaging.files.decoding import (
    figure_pixels,
    mask_of_transparent,
    open_upright,
)
from deployments.imaging.files.picture_encoding import PictureWriter, encode
from deployments.imaging.files.signing import SigningConfig
from deployments.imaging.marks.provenance import (
    ProvenanceConfig,
    of_layers,
)
from deployments.imaging.merging import Merging
from deployments.imaging.previews import compose_group_preview, compose_preview
from deployments.imaging.safety_check import PictureSafety, SafetyConfig
from deployments.imaging.sprite_sheet import make_sheet
from deployments.merge_work import (
    compare_work,
    cutout_work,
    encoding_work,
    preview_work,
    scene_work,
    sheet_work,
    upload_work,
    work_of_reading,
)
from deployments.messages import (
    CompareJob,
    FigureOptions,
    LayerResult,
    MergeJob,
    MergeOptions,
    MergeResult,
    OutputOptions,
    Picture,
    PictureJob,
    Pixels,
    Safety,
    SheetJob,
    SheetResult,
    UploadJob,
)
from deployments.queueing.work_queue import QueuedThreads


@dataclass(frozen=True)
class MergerConfig:
    """The merger's settings.

    `matting` None: figures that the keyer cannot cut out are pasted. `signing` None: no C2PA.

    `work_bytes`: the memory for all merges that run at once; `at_once`: the most of them.
    """

    __pydantic_config__: ClassVar[dict[str, str]] = {"extra": "forbid"}

    provenance: ProvenanceConfig = field(default_factory=ProvenanceConfig)
    matting: MattingConfig | None = None
    signing: SigningConfig | None = None
    work_bytes: Bytes = 700_000_000
    at_once: Count = 4
    consistency: ConsistencyConfig = field(default_factory=ConsistencyConfig)
    safety: SafetyConfig = field(default_factory=SafetyConfig)


DEFAULT = MergerConfig()


class Merger:
    """A replica that keeps nothing of a request, so any replica can merge any scene.

    Pixels come straight from the generators. Raises ValueError if its configuration needs something that this
    machine lacks.
    """

    def __init__(self, config: MergerConfig = DEFAULT) -> None:
        self._network = NeuralMatte(config.matting).cut_out if config.matting is not None else None
        self._writer = PictureWriter(config.provenance, config.signing)
        self._comparer = FigureComparer(config.consistency, self._network)
        self._safety = PictureSafety(config.safety) if config.safety.checks_pictures else None
        self._merging = Merging(self._network, self._writer, self._judged)
        self._queue = QueuedThreads(config.at_once, config.work_bytes)

    async def merge(self, job: MergeJob, character: LayerResult, background: LayerResult) -> MergeResult:
        """Merge two layers. Raises CutoutFailed if `cutout` was required and there is no good matte."""
        return await self._queue.run(
            scene_work(job, (character,), background), self._merging.merge, job, character, background
        )

    async def merge_group(
        self, job: MergeJob, background: LayerResult, *characters: LayerResult
    ) -> MergeResult:
        """Merge several characters, one for each of `job.figures`, and a place. Raises CutoutFailed."""
        work = scene_work(job, characters, background)
        return await self._queue.run(work, self._merging.merge_group, job, background, characters)

    async def merge_files(self, job: UploadJob) -> MergeResult:
        """Merge picture files. Raises InvalidRequest naming the file at fault, and CutoutFailed."""
        return await self._queue.run(upload_work(job), self._merging.merge_files, job)

    async def read_picture(self, job: PictureJob) -> Picture:
        """Read a picture file and write it as a plain PNG. Raises InvalidRequest naming `job.param`."""
        return await self._queue.run(work_of_reading(job), self._read_picture, job)

    async def encode(self, output: OutputOptions, layer: LayerResult, tenant: str = "") -> Picture:
        """Encode one layer as a file."""
        return await self._queue.run(encoding_work(layer, output, tenant), self._encode, output, layer)

    async def cut_out(self, output: OutputOptions, layer: LayerResult, tenant: str = "") -> Picture:
        """Cut out the figure of one layer, as RGBA. Raises CutoutFailed, or InvalidRequest for a JPEG."""
        return await self._queue.run(cutout_work(layer, output, tenant), self._cut_out, output, layer)

    async def compare(self, job: CompareJob, layer: LayerResult) -> float:
        """Return how closely a figure resembles its reference, 0 to 1."""
        return await self._queue.run(compare_work(job, layer), self._comparer.compare, job, layer.pixels)

    async def sheet(self, job: SheetJob, *layers: LayerResult) -> SheetResult:
        """Arrange the poses of a figure in one atlas. Raises CutoutFailed."""
        work = sheet_work(job, layers)
        return await self._queue.run(work, self._sheet, job, layers)

    async def preview(
        self, options: MergeOptions, character: bytes, background: bytes, tenant: str = ""
    ) -> bytes:
        """Preview the scene as a small JPEG, from small pictures of its layers."""
        return await self._queue.run(preview_work(tenant), compose_preview, options, character, background)

    async def group_preview(
        self,
        options: MergeOptions,
        figures: Sequence[FigureOptions],
        background: bytes,
        characters: Sequence[bytes],
        tenant: str = "",
    ) -> bytes:
        """Preview a scene of several characters as a small JPEG."""
        work = preview_work(tenant, len(characters))
        return await self._queue.run(work, compose_group_preview, options, figures, background, characters)

    def note_judged(self, outcome: str) -> None:
        """Record how a picture was judged: passed, flagged or refused. This base class records nothing."""

    def _judged(self, *pictures: Pixels | Image.Image, param: str | None = None) -> Safety | None:
        """Judge these pictures, or return None if the check is off. Raises ContentRefused."""
        if self._safety is None:
            return None
        try:
            found = self._safety.judge(*pictures, param=param)
        except ContentRefused:
            self.note_judged("refused")
            raise
        self.note_judged("flagged" if found.flagged else "passed")
        return found

    def _sheet(self, job: SheetJob, layers: Sequence[LayerResult]) -> SheetResult:
        safety = self._judged(*(layer.pixels for layer in layers))
        made = make_sheet(job, layers, self._network, self._writer)
        return replace(made, atlas=replace(made.atlas, safety=safety))

    def _encode(self, output: OutputOptions, layer: LayerResult) -> Picture:
        safety = self._judged(layer.pixels)
        return replace(self._writer.write(layer.pixels, output, of_layers(layer)), safety=safety)

    def _read_picture(self, job: PictureJob) -> Picture:
        picture = open_upright(job.data, job.param, job.max_pixels)
        if job.paints_transparent:
            return encode(mask_of_transparent(picture, job.param), OutputOptions("png"))
        pixels = figure_pixels(picture)
        safety = self._judged(pixels, param=job.param)
        return replace(encode(pixels, OutputOptions("png")), safety=safety)

    def _cut_out(self, output: OutputOptions, layer: LayerResult) -> Picture:
        if output.format == "jpeg":
            raise InvalidRequest("a cut-out needs a format with transparency: png or webp", "output.format")
        cutout, _ = climb(layer.pixels, self._network)
        if cutout.confidence < LEAST_CONFIDENCE:
            message = f"the character could not be cut out (confidence {cutout.confidence:.2f})"
            raise CutoutFailed(f"{message}; request a plain backdrop", "cutout")
        safety = self._judged(layer.pixels)
        return replace(self._writer.write(cutout.rgba(), output, of_layers(layer)), safety=safety)
