from __future__ import annotations

import pytest

from deployments.diffusion.model.registry import describe
from deployments.errors import InvalidRequest
from serve.api.resolve_layer import frame_shaped, frame_size, layer_size
from serve.config.request_limits import Limits


def test_what_is_requested_is_given() -> None:
    assert layer_size((128, 96), (384, 512), 16, Limits(), "") == (128, 96)
    assert layer_size((128, None), (384, 512), 16, Limits(), "") == (128, 512)
    assert frame_size((101, 99), (1024, 512), Limits()) == (101, 99)


@pytest.mark.parametrize(
    ("default", "factor", "most", "size"),
    [
        ((384, 512), 16, 1024, (384, 512)),
        ((384, 512), 16, 256, (192, 256)),
        ((500, 500), 16, 1024, (496, 496)),
        ((1024, 100), 8, 128, (128, 64)),
    ],
)
def test_a_default_is_made_to_fit(
    default: tuple[int, int], factor: int, most: int, size: tuple[int, int]
) -> None:
    assert layer_size((None, None), default, factor, Limits(max_image_size=most), "") == size


@pytest.mark.parametrize(
    ("model", "frame", "size"),
    [
        ("storybook-background", (1024, 512), (768, 384)),
        ("storybook-background", (1024, 768), (512, 384)),
        ("storybook-background", (512, 512), (512, 384)),
        ("stable-diffusion-v1-5/stable-diffusion-v1-5", (1024, 512), (768, 384)),
        ("stable-diffusion-v1-5/stable-diffusion-v1-5", (512, 512), (512, 512)),
        ("stable-diffusion-v1-5/stable-diffusion-v1-5", (512, 1024), (384, 768)),
        ("stabilityai/stable-diffusion-2-1", (1024, 512), (1024, 512)),
        ("stabilityai/stable-diffusion-xl-base-1.0", (1024, 64), (1024, 512)),
    ],
)
def test_a_frame_is_filled_in_its_own_shape(
    model: str, frame: tuple[int, int], size: tuple[int, int]
) -> None:
    assert frame_shaped(frame, describe(model), Limits()) == size


def test_a_larger_limit_lets_a_larger_model_paint_at_its_own_size() -> None:
    card, limits = describe("stabilityai/stable-diffusion-xl-base-1.0"), Limits(max_image_size=2048)
    assert frame_shaped((1024, 512), card, limits) == (1408, 704)
    assert frame_shaped((1024, 512), card, Limits(max_image_size=300)) == (256, 128)


@pytest.mark.parametrize(("side", "nearest"), [(1019, 1008), (70, 64), (150, 144)])
def test_the_nearest_size_can_be_requested(side: int, nearest: int) -> None:
    limits = Limits(max_image_size=1020)
    with pytest.raises(InvalidRequest, match=f"the nearest is {nearest}$"):
        layer_size((side, 64), (64, 64), 16, limits, "")
    assert layer_size((nearest, 64), (64, 64), 16, limits, "") == (nearest, 64)
