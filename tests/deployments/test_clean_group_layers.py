"""Layers of several figures are clean: merged unchanged they give the same scene, otherwise another."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from io import BytesIO

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from deployments.imaging.composite.layer_tags import KEY
from deployments.imaging.files.picture_encoding import encode
from deployments.messages import FigureOptions, MergeJob, MergeOptions, MergeResult, Pixels, UploadJob
from tests.support.clean_layers import (
    CROPPED,
    FULL,
    MERGER,
    NAMES,
    NOISE,
    OPTIONS,
    PLACE,
    PNG,
    layer,
    painted,
    pixels,
    same,
)

FIGURES = {"full": FULL, "cropped": CROPPED, "not to be cut out": NOISE, "small": FULL[::2, ::2]}
STANDING = st.builds(
    FigureOptions,
    st.none() | st.sampled_from(["left", "center", "right"]) | st.floats(0, 1),
    st.floats(0.1, 4),
    st.floats(0, 100),
)
EVERY = frozenset(FigureOptions.__dataclass_fields__)
SMALL = MergeOptions(width_px=256, height_px=128)


def painted_group(job: MergeJob, *figures: Pixels, place: Pixels = PLACE) -> MergeResult:
    return asyncio.run(MERGER.merge_group(job, layer(place), *map(layer, figures)))


def merged_group(
    scene: MergeResult, job: MergeJob, given: bool = True, name: str = "character"
) -> MergeResult:
    first, *further = (scene.layers[f"{name}-{index}"].data for index in range(len(job.figures)))
    upload = UploadJob(
        job,
        first,
        scene.layers["background"].data,
        max_pixels=1 << 24,
        given=NAMES if given else frozenset(),
        further=tuple(further),
        given_figures=(EVERY if given else frozenset(),) * len(job.figures),
    )
    return asyncio.run(MERGER.merge_files(upload))


def job_of(options: MergeOptions, figures: list[FigureOptions]) -> MergeJob:
    return MergeJob("r", options, PNG, layers=True, figures=tuple(figures))


@settings(max_examples=20, deadline=None)
@given(
    cast=st.lists(st.tuples(st.sampled_from(list(FIGURES)), STANDING), min_size=1, max_size=4),
    options=OPTIONS,
    again_given=st.booleans(),
)
def test_the_same_options_give_the_same_picture_to_the_pixel(
    cast: list[tuple[str, FigureOptions]], options: MergeOptions, again_given: bool
) -> None:
    """The picture is the same whether the options are given again or left out."""
    job = job_of(options, [standing for _, standing in cast])
    scene = painted_group(job, *(FIGURES[name] for name, _ in cast))
    silent = job_of(MergeOptions(), [FigureOptions()] * len(cast))
    again = merged_group(scene, job if again_given else silent, again_given)
    assert [(each.mode, each.box) for each in again.figures] == [
        (each.mode, each.box) for each in scene.figures
    ]
    assert same(scene, again)
    assert same(scene, merged_group(again, job)), "its layers are as clean"


@settings(max_examples=10, deadline=None)
@given(
    cast=st.lists(st.tuples(st.sampled_from(["full", "cropped"]), STANDING, STANDING), min_size=2, max_size=3)
)
def test_other_options_give_what_they_would_have_given(
    cast: list[tuple[str, FigureOptions, FigureOptions]],
) -> None:
    """Nothing of the first picture remains in the second."""
    figures = [FIGURES[name] for name, *_ in cast]
    first, other = job_of(SMALL, [one for _, one, _ in cast]), job_of(SMALL, [two for *_, two in cast])
    scene, wanted = painted_group(first, *figures), painted_group(other, *figures)
    for name in ("character", "painted"):
        assert same(wanted, merged_group(scene, other, name=name))


def test_the_layers_are_as_painted() -> None:
    scene = painted_group(job_of(SMALL, [FigureOptions()] * 2), FULL, NOISE)
    names = ["background", *(f"{name}-{n}" for n in range(2) for name in ("character", "mask", "painted"))]
    assert list(scene.layers) == names
    assert np.array_equal(pixels(scene.layers["background"]), PLACE)
    for index, picture in enumerate((FULL, NOISE)):
        assert np.array_equal(pixels(scene.layers[f"painted-{index}"]), picture)
        figure = pixels(scene.layers[f"character-{index}"])
        assert np.array_equal(figure[..., 3], pixels(scene.layers[f"mask-{index}"]))


def test_a_figure_that_leaves_stays_away() -> None:
    figures = [FigureOptions("left"), FigureOptions("right")]
    scene = painted_group(job_of(SMALL, figures), FULL, FULL)
    first = {name: file for name, file in scene.layers.items() if not name.endswith("-1")}
    alone = merged_group(replace(scene, layers=first), job_of(SMALL, figures[:1]))
    assert same(painted_group(job_of(SMALL, figures[:1]), FULL), alone)


def test_one_figure_of_several_sent_alone_stands_where_it_stood() -> None:
    options = replace(SMALL, harmonize=0.0)
    scene = painted_group(job_of(options, [FigureOptions(0.2, 0.5), FigureOptions(0.8)]), FULL, FULL)
    files = scene.layers["character-0"].data, scene.layers["background"].data
    alone = asyncio.run(MERGER.merge_files(UploadJob(MergeJob("r"), *files, max_pixels=1 << 24)))
    assert alone.box == scene.figures[0].box
    assert alone.figures == ()


def test_a_figure_joins_that_of_a_scene() -> None:
    scene = painted(MergeJob("r", replace(SMALL, position="left"), PNG, layers=True))
    files = scene.layers["character"].data, scene.layers["background"].data
    job = replace(job_of(MergeOptions(), [FigureOptions()] * 2), layers=False)
    upload = UploadJob(
        job, *files, max_pixels=1 << 24, further=(encode(FULL, PNG).data,), given_figures=(frozenset(),) * 2
    )
    both = asyncio.run(MERGER.merge_files(upload))
    assert both.figures[0].box == scene.box
    assert both.picture.width_px == 256


@pytest.mark.parametrize(
    "wrong",
    [
        {"index": 7},
        {"index": -1},
        {"figures": [{"scale": 900.0}]},
        {"figures": [{"depth": float("nan")}]},
        {"figures": [{"position": 7}]},
        {"figures": [{}] * 5},
    ],
    ids=str,
)
def test_a_text_that_says_the_impossible_is_passed_over(wrong: dict[str, object]) -> None:
    scene = painted_group(job_of(SMALL, [FigureOptions("left")]), FULL)
    files = []
    for name in ("character-0", "background"):
        file = Image.open(BytesIO(scene.layers[name].data))
        said = json.loads(file.info[KEY]) | wrong
        files.append(encode(np.asarray(file), PNG, texts={KEY: json.dumps(said)}).data)
    requested = MergeOptions(width_px=128, height_px=64)
    job = MergeJob("r", requested, PNG, figures=(FigureOptions(),))
    upload = UploadJob(job, *files, max_pixels=1 << 24, given_figures=(frozenset(),))
    made = asyncio.run(MERGER.merge_files(upload))
    assert (made.picture.width_px, made.figures[0].confidence) == (128, 1.0)
