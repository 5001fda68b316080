"""Compute what a piece of the merger's work costs: megapixels for its tenant, and the memory it will take.

Memory was measured over PNG, JPEG and WebP of every colour mode, with all options on: at most 16.5 bytes a
pixel of the two files, and 36 a pixel of the frame. Upscaling adds at most 20.3 a pixel, for a WebP of noise
or a visible mark. An upscaled cut-out as WebP would take 45, and is refused.
"""

from __future__ import annotations

from collections.abc import Sequence

from deployments.imaging.composite.compositing import LARGEST_LAYER_PX
from deployments.imaging.files.decoding import measure
from deployments.messages import (
    CompareJob,
    LayerResult,
    MergeJob,
    OutputOptions,
    PictureJob,
    SheetJob,
    UploadJob,
)
from deployments.queueing.work_queue import QueuedWork

FILE_BYTES_A_PX = 17
FRAME_BYTES_A_PX = 40
LAYER_BYTES_A_PX = 17
READ_BYTES_A_PX = 30
CUTOUT_BYTES_A_PX = 40
FIGURE_BYTES_A_PX = 10
"""Bytes a pixel of the frame for each further figure: the figure, its lit copy, and another frame copy."""
SHEET_BYTES_A_PX = 60
UPSCALED_BYTES_A_PX = 21
COMPARED_PX = 384 * 384
"""The most pixels of a figure that is compared: a larger one is made smaller."""
COPIES = 3
"""Copies of a file's bytes: as received, without its metadata, and in the decoder."""
PREVIEW_MEGAPIXELS, PREVIEW_BYTES = 0.1, 8 << 20
MEGA = 1e6


def written_px(job: MergeJob, characters_px: Sequence[int], background_px: int) -> int:
    """Return the pixels of all pictures that a merge writes. `characters_px` has those of each figure."""
    frame_px = job.options.width_px * job.options.height_px
    picture_px = upscaled_px(frame_px, job.output)
    if not job.layers:
        return picture_px
    most_px = max(LARGEST_LAYER_PX, 2 * frame_px)
    return picture_px + 3 * sum(min(each, most_px) for each in characters_px) + min(background_px, most_px)


def upscaled_px(pixels: int, output: OutputOptions) -> int:
    """Return the pixels of a picture's file, given those that it is painted or composed with."""
    return round(pixels * output.upscale**2)


def upscaling_bytes(pixels: int, output: OutputOptions) -> int:
    """Return the bytes that it takes to upscale such a picture and write it; 0 if it is not upscaled."""
    return 0 if output.upscale == 1.0 else UPSCALED_BYTES_A_PX * upscaled_px(pixels, output)


def merge_memory_bytes(
    frame_px: int, layers_px: int, files_bytes: int = 0, figures: int = 1, upscaling: int = 0
) -> int:
    """Return the most memory that one merge takes.

    `layers_px` are the pixels of all pictures, `files_bytes` the bytes of all files, and `upscaling` the
    bytes that upscaling takes.
    """
    a_px = FRAME_BYTES_A_PX + FIGURE_BYTES_A_PX * (figures - 1)
    return a_px * frame_px + FILE_BYTES_A_PX * layers_px + COPIES * files_bytes + upscaling


def scene_work(job: MergeJob, characters: Sequence[LayerResult], background: LayerResult) -> QueuedWork:
    """Return the work of merging painted layers."""
    characters_px, background_px = [px_of(character) for character in characters], px_of(background)
    frame_px = job.options.width_px * job.options.height_px
    memory_bytes = merge_memory_bytes(
        frame_px,
        sum(characters_px) + background_px,
        figures=len(characters_px),
        upscaling=upscaling_bytes(frame_px, job.output),
    )
    cost = written_px(job, characters_px, background_px) / MEGA
    return QueuedWork(job.tenant, cost, memory_bytes, job.priority == "batch")


def upload_work(job: UploadJob) -> QueuedWork:
    """Return the work of merging files, by the sizes in their headers."""
    options = job.merge.options
    layers_px = sum(job.characters_px) + job.background_px
    files_bytes = _files_bytes(job)
    # The files' own tags may ask for the largest frame that is allowed.
    frame_px = max(options.width_px * options.height_px, job.max_frame_px**2 if _uses_tags(job) else 0)
    upscaling = upscaling_bytes(frame_px, job.merge.output)
    memory_bytes = merge_memory_bytes(frame_px, layers_px, files_bytes, len(job.characters), upscaling)
    return QueuedWork(job.merge.tenant, upload_megapixels(job), memory_bytes, later=True)


def work_in_transit(job: UploadJob) -> QueuedWork:
    """Return a merge's work as its sender counts it: the replica holds the files until the merge is done."""
    return QueuedWork(job.merge.tenant, upload_megapixels(job), _files_bytes(job), later=True)


def _files_bytes(job: UploadJob) -> int:
    return sum(map(len, job.characters)) + len(job.background)


def work_of_reading(job: PictureJob) -> QueuedWork:
    """Return the work of reading one file and writing it as PNG."""
    memory_bytes = READ_BYTES_A_PX * job.pixels + COPIES * len(job.data)
    return QueuedWork(job.tenant, read_megapixels(job.pixels), memory_bytes, later=True)


def read_on_the_way(job: PictureJob) -> QueuedWork:
    """Return a picture's work as its sender counts it: the replica holds the file until it is read."""
    return QueuedWork(job.tenant, read_megapixels(job.pixels), len(job.data), later=True)


def read_megapixels(pixels: int) -> float:
    """Return the megapixels that a picture costs its tenant: those read plus those written."""
    return 2 * pixels / MEGA


def upload_megapixels(job: UploadJob) -> float:
    """Return the megapixels that a merge of files costs its tenant: those read plus those written."""
    read_px = sum(job.characters_px) + job.background_px
    return (read_px + written_px(job.merge, job.characters_px, job.background_px)) / MEGA


def encoding_work(layer: LayerResult, output: OutputOptions, tenant: str) -> QueuedWork:
    """Return the work of writing one layer as a file."""
    return _alone(layer, output, tenant, LAYER_BYTES_A_PX)


def cutout_work(layer: LayerResult, output: OutputOptions, tenant: str) -> QueuedWork:
    """Return the work of cutting one layer out."""
    return _alone(layer, output, tenant, CUTOUT_BYTES_A_PX)


def _alone(layer: LayerResult, output: OutputOptions, tenant: str, bytes_a_px: int) -> QueuedWork:
    pixels = px_of(layer)
    memory_bytes = bytes_a_px * pixels + upscaling_bytes(pixels, output)
    return QueuedWork(tenant, upscaled_px(pixels, output) / MEGA, memory_bytes)


def sheet_work(job: SheetJob, layers: Sequence[LayerResult]) -> QueuedWork:
    """Return the work of a sheet: each layer is cut out and written, then all are written as the atlas."""
    pixels = sum(map(px_of, layers))
    return QueuedWork(job.tenant, 2 * pixels / MEGA, sheet_memory_bytes(pixels))


def sheet_memory_bytes(pixels: int) -> int:
    """Return the most memory that a sheet takes. `pixels` are those of all its poses as painted."""
    return SHEET_BYTES_A_PX * pixels


def compare_work(job: CompareJob, layer: LayerResult) -> QueuedWork:
    """Return the work of comparing one figure with its reference."""
    reference_px = measure(job.reference, "cast", job.max_pixels)
    memory_bytes = CUTOUT_BYTES_A_PX * COMPARED_PX + READ_BYTES_A_PX * reference_px + len(job.reference)
    return QueuedWork(job.tenant, compared_megapixels(layer), memory_bytes, job.priority == "batch")


def compared_megapixels(layer: LayerResult) -> float:
    """Return the megapixels that comparing a figure costs its tenant."""
    return min(px_of(layer), COMPARED_PX) / MEGA


def preview_work(tenant: str, characters: int = 1) -> QueuedWork:
    """Return the work of a preview, whose pictures are small."""
    return QueuedWork(tenant, characters * PREVIEW_MEGAPIXELS, characters * PREVIEW_BYTES)


def px_of(layer: LayerResult) -> int:
    """Return the number of pixels of a painted layer."""
    high, wide = layer.pixels.shape[:2]
    return int(high * wide)


def _uses_tags(job: UploadJob) -> bool:
    return not {"width_px", "height_px"} <= job.given
