"""Damage real files anywhere: each yields a picture or a refusal that names it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from deployments.errors import InvalidRequest
from deployments.imaging.files.decoding import figure_pixels, open_upright, place_pixels
from deployments.merger import Merger
from deployments.messages import MergeJob, MergeOptions, UploadJob
from tests.support.picture_files import CLEAR, FILES, PLACE

CLEAR.putalpha(Image.radial_gradient("L").resize(CLEAR.size))

Edit = tuple[str, float, bytes]
HOW = st.sampled_from(["write", "cut", "insert"])
EDITS = st.lists(st.tuples(HOW, st.floats(0, 1), st.binary(min_size=1, max_size=8)), max_size=4)
MERGER = Merger()


def damaged(data: bytes, edits: list[Edit]) -> bytes:
    """Return the bytes with parts overwritten, cut or inserted, each at a share of the length."""
    for how, share, bytes_ in edits:
        at = int(share * len(data))
        rest = at if how == "insert" else at + len(bytes_)
        data = data[:at] + (b"" if how == "cut" else bytes_) + data[rest:]
    return data


def is_a_picture_or_a_refusal(kind: str, edits: list[Edit]) -> None:
    data = damaged(FILES[kind], edits)
    with refused():
        opened = open_upright(data, "character", 100_000)
        assert opened.width * opened.height <= 100_000
        assert figure_pixels(opened).shape[2] in (3, 4)
        assert place_pixels(opened).shape == (opened.height, opened.width, 3)


def merges_or_is_refused(kind: str, edits: list[Edit]) -> None:
    job = MergeJob("r", MergeOptions(width_px=96, height_px=64))
    upload = UploadJob(job, damaged(FILES[kind], edits), PLACE, max_pixels=100_000)
    with refused():
        merged = asyncio.run(MERGER.merge_files(upload))
        assert (merged.picture.width_px, merged.picture.height_px) in ((96, 64), (128, 64))


@contextmanager
def refused() -> Iterator[None]:
    """Accept a refusal that names the character, and no other error."""
    try:
        yield
    except InvalidRequest as error:
        if error.param != "character":
            raise


Check = Callable[[str, list[Edit]], None]
CHECKS = pytest.mark.parametrize("check", [is_a_picture_or_a_refusal, merges_or_is_refused])


@pytest.mark.parametrize("kind", FILES)
def test_undamaged_each_is_what_it_is(kind: str) -> None:
    if kind in ("animation", "moving png"):
        with pytest.raises(InvalidRequest, match="animation"):
            open_upright(FILES[kind], "character", 100_000)
    else:
        assert min(open_upright(FILES[kind], "character", 100_000).size) == 40


@CHECKS
@settings(max_examples=150, deadline=None)
@given(kind=st.sampled_from(list(FILES)), edits=EDITS)
def test_some_damage(check: Check, kind: str, edits: list[Edit]) -> None:
    check(kind, edits)


@pytest.mark.slow
@pytest.mark.timeout(1_200)
@CHECKS
@settings(max_examples=20_000, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(kind=st.sampled_from(list(FILES)), edits=EDITS)
def test_much_damage(check: Check, kind: str, edits: list[Edit]) -> None:
    check(kind, edits)
