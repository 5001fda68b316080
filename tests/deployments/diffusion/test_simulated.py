from __future__ import annotations

import time

import numpy as np
import pytest

from deployments.diffusion.painter import PaintRequest
from deployments.diffusion.simulated import SimulatedConfig, SimulatedPainter
from deployments.errors import NotReady
from deployments.imaging.quality import flaw
from deployments.messages import Pixels


def request(seed: int = 1, size: tuple[int, int] = (96, 64), steps: int = 3) -> PaintRequest:
    return PaintRequest("words", "", steps, 7.5, seed, *size)


def painter_of(**config: float) -> SimulatedPainter:
    painter = SimulatedPainter(SimulatedConfig(**({"encode_s": 0, "step_s": 0, "decode_s": 0} | config)))  # type: ignore[arg-type]
    painter.load()
    return painter


def pixels(seed: int, size: tuple[int, int] = (96, 64)) -> Pixels:
    return painter_of().paint(request(seed, size), lambda step, steps: None).pixels


def test_a_seed_has_one_picture_and_another_seed_another() -> None:
    assert pixels(1).shape == (64, 96, 3)
    assert np.array_equal(pixels(1), pixels(1))
    assert not np.array_equal(pixels(1), pixels(2))


@pytest.mark.parametrize("size", [(64, 64), (384, 512), (1024, 64)])
def test_its_pictures_pass_the_quality_check(size: tuple[int, int]) -> None:
    assert [flaw(pixels(seed, size)) for seed in range(20)] == [None] * 20


def test_every_picture_is_stamped() -> None:
    white = (pixels(3, (256, 256)) == 255).all(axis=2)
    assert white.sum() > 200
    assert not white[:90].any()


def test_steps_are_told_in_turn_and_take_their_time() -> None:
    told: list[tuple[int, int]] = []
    began = time.perf_counter()
    painted = painter_of(encode_s=0.01, step_s=0.01, decode_s=0.01).paint(
        request(steps=4), lambda step, steps: told.append((step, steps))
    )
    assert told == [(1, 4), (2, 4), (3, 4), (4, 4)]
    assert time.perf_counter() - began >= 0.06
    assert painted.denoise_ms >= 40
    assert min(painted.encode_ms, painted.decode_ms) >= 10


def test_what_on_step_raises_ends_the_painting() -> None:
    told = []

    def stop(step: int, steps: int) -> None:
        told.append(step)
        if step == 2:
            raise KeyError

    with pytest.raises(KeyError):
        painter_of().paint(request(steps=50), stop)
    assert told == [1, 2]


def test_loading_takes_its_time_once_until_it_is_unloaded() -> None:
    painter = SimulatedPainter(SimulatedConfig(load_s=0.05))
    took = []
    for act in (painter.load, painter.load, painter.unload, painter.load):
        began = time.perf_counter()
        act()
        took.append(time.perf_counter() - began)
    assert [seconds >= 0.05 for seconds in took] == [True, False, False, True]


def test_like_a_real_model_it_paints_nothing_unloaded() -> None:
    painter = painter_of()
    painter.unload()
    assert not painter.loaded
    with pytest.raises(NotReady):
        painter.paint(request(), lambda step, steps: None)
