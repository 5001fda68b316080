"""Compute what a call to the merger costs its tenant."""

from __future__ import annotations

import pytest

from deployments.merge_work import upload_megapixels, upload_work
from deployments.messages import MergeJob, MergeOptions, UploadJob

FRAME = MergeOptions("auto", "right", 1024, 512)
FRAME_PX = 1024 * 512
FIGURE_PX = 2_000_000


def upload(figures: int, layers: bool) -> UploadJob:
    return UploadJob(
        MergeJob("id", FRAME, layers=layers),
        b"",
        b"",
        1 << 24,
        characters_px=(FIGURE_PX,) * figures,
        background_px=FRAME_PX,
        further=(b"",) * (figures - 1),
    )


@pytest.mark.parametrize("figures", [1, 4])
def test_a_merge_of_files_pays_for_what_is_read_and_each_layer_that_is_written(figures: int) -> None:
    read_px = figures * FIGURE_PX + FRAME_PX
    without, with_layers = upload(figures, False), upload(figures, True)
    assert upload_megapixels(without) == pytest.approx((read_px + FRAME_PX) / 1e6)
    written_px = FRAME_PX + 3 * figures * FIGURE_PX + FRAME_PX
    assert upload_megapixels(with_layers) == pytest.approx((read_px + written_px) / 1e6)
    assert upload_work(with_layers).cost == upload_megapixels(with_layers)


def test_each_figure_takes_its_memory() -> None:
    more = upload_work(upload(4, True)).memory_bytes - upload_work(upload(1, True)).memory_bytes
    assert more >= 3 * FIGURE_PX * 16.5
