from __future__ import annotations

import pytest
from PIL import Image

from loadtest.traffic.picture_check import Wanted, flaw
from tests.support.fake_service import encoded, picture


@pytest.mark.parametrize("form", ["jpeg", "png", "webp"])
def test_a_good_picture(form: str) -> None:
    assert flaw(picture((64, 48), form), Wanted((64, 48), form)) is None
    assert flaw(picture((64, 48), form), Wanted()) is None


def test_another_size_and_another_format() -> None:
    assert flaw(picture((64, 48)), Wanted((48, 64))) == "64x48"
    assert flaw(picture((64, 48), "png"), Wanted(format="jpeg")) == "png for jpeg"


@pytest.mark.parametrize("colour", ["black", "white", "red", (120, 30, 200)])
def test_one_colour_is_flat_whichever_it_is(colour: str | tuple[int, int, int]) -> None:
    assert flaw(encoded(Image.new("RGB", (64, 64), colour)), Wanted()) == "flat"


def test_a_cut_out_of_one_colour_is_not_flat() -> None:
    cut_out = Image.new("RGBA", (64, 64), "red")
    cut_out.putalpha(Image.radial_gradient("L").resize((64, 64)))
    assert flaw(encoded(cut_out, "png"), Wanted()) is None


@pytest.mark.parametrize(
    "data", [b"", b"<html>", picture((256, 256))[:2_000], encoded(Image.linear_gradient("L"), "gif")]
)
def test_what_is_no_whole_picture(data: bytes) -> None:
    assert flaw(data, Wanted()) == "undecodable"
