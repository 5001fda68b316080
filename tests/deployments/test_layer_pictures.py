"""Turn a job's references and pose into a painter's input."""

from __future__ import annotations

from io import BytesIO

import pytest
from PIL import Image

from deployments.errors import InvalidRequest
from deployments.imaging.skeleton import draw_skeleton
from deployments.layer_pictures import LONGEST_SIDE_PX, read_pose, read_references
from tests.support.layer_jobs import MakeJob
from tests.support.poses import STANDING
from tests.support.uploads import TINTS, a_file


def test_references_are_read_in_their_order_and_equal_by_name(make_job: MakeJob) -> None:
    wide = BytesIO()
    Image.new("RGBA", (2 * LONGEST_SIDE_PX, 64), (0, 0, 0, 0)).save(wide, "PNG")
    files = {"a": a_file(TINTS), "b": wide.getvalue()}
    job = make_job(references=("b", "a"), reference_scale=0.5)
    read = read_references(job, files)
    assert read is not None and (read.names, read.scale) == (("b", "a"), 0.5)
    assert read.pixels[0].shape == (32, LONGEST_SIDE_PX, 3) and (read.pixels[0] == 255).all()
    assert (read.pixels[1] == TINTS).all()
    assert read == read_references(job, {"a": files["a"], "b": files["a"]})
    assert read_references(make_job(), files) is None


def test_a_pose_is_drawn_in_the_layers_size_or_fitted_to_it(make_job: MakeJob) -> None:
    job = make_job(pose=STANDING, pose_scale=0.5, width_px=64, height_px=96)
    drawn = read_pose(job, {})
    assert drawn is not None and drawn.pixels is not None and drawn.scale == 0.5
    assert (drawn.pixels == draw_skeleton(STANDING, 64, 96)).all()
    smaller = drawn.at(32, 48)
    assert smaller.pixels is not None and smaller.pixels.shape == (48, 32, 3) and smaller == drawn
    given = read_pose(make_job(pose_image="a", width_px=64, height_px=64), {"a": a_file(TINTS)})
    assert given is not None and given.pixels is not None
    assert given.pixels.shape == (64, 64, 3) and given.name == "a"
    assert read_pose(make_job(), {}) is None


def test_the_one_that_cannot_be_read_is_named(make_job: MakeJob) -> None:
    bad = {"a": a_file(TINTS), "b": b"no"}
    with pytest.raises(InvalidRequest) as caught:
        read_references(make_job(references=("a", "b")), bad)
    assert caught.value.param == "character.references.1"
    with pytest.raises(InvalidRequest) as caught:
        read_pose(make_job(pose_image="b", figure=2), bad)
    assert caught.value.param == "characters.2.pose.image"


def test_files_and_equality_of_jobs_have_them(make_job: MakeJob) -> None:
    job = make_job(image="i", mask="m", references=("a", "b"), pose_image="p")
    assert job.files_by_param == {
        "image": "i",
        "mask": "m",
        "references.0": "a",
        "references.1": "b",
        "pose.image": "p",
    }
    assert job.files == ("i", "m", "a", "b", "p")
    plain = make_job()
    others = [
        make_job(references=("a",)),
        make_job(references=("b", "a")),
        make_job(references=("a", "b")),
        make_job(references=("a",), reference_scale=0.5),
        make_job(pose=STANDING),
        make_job(pose=STANDING, pose_scale=0.5),
        make_job(pose_image="a"),
    ]
    keys = [each.picture_key for each in (plain, *others)]
    assert len(set(keys)) == len(keys) and len({each.cache_key for each in (plain, *others)}) == len(keys)
    assert keys[0] == make_job().picture_key
