from __future__ import annotations

import time
from dataclasses import replace

import numpy as np
import pytest

from deployments.diffusion.lora_weights import PictureLora
from deployments.diffusion.painter import PaintRequest
from deployments.diffusion.simulated.simulated_painter import SimulatedConfig, SimulatedPainter
from deployments.errors import NotReady
from deployments.imaging.quality import flaw
from deployments.messages import LoraUse, Pixels


def request(seed: int = 1, size: tuple[int, int] = (96, 64), steps: int = 3) -> PaintRequest:
    return PaintRequest("words", "", steps, 7.5, seed, *size)


def painter_of(**config: float) -> SimulatedPainter:
    painter = SimulatedPainter(SimulatedConfig(**({"encode_s": 0, "step_s": 0, "decode_s": 0} | config)))  # type: ignore[arg-type]
    painter.load()
    return painter


def pixels(seed: int, size: tuple[int, int] = (96, 64)) -> Pixels:
    painter = painter_of()
    return painter.decode([painter.begin(request(seed, size))])[0]


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


def test_each_act_takes_its_time() -> None:
    painter = painter_of(encode_s=0.02, step_s=0.03, decode_s=0.04)
    pair = [painter.begin(request(seed)) for seed in (1, 2)]
    acts = [
        (lambda: painter.begin(request()), 0.02),
        (lambda: painter.step(pair[:1]), 0.03),
        (lambda: painter.step(pair), 0.03 * 1.7),
        (lambda: painter.decode(pair), 0.08),
    ]
    for act, least_s in acts:
        began = time.perf_counter()
        act()
        assert time.perf_counter() - began >= least_s


def test_pictures_that_share_a_step_take_less_than_apart_and_more_than_one() -> None:
    painter = painter_of(step_s=1.0, shared_step_ratio=0.6)
    assert painter.measure(2) == 1.0
    assert painter.measure(4) == 1.6
    assert painter.measure(1) == 0.7


def test_steps_are_counted_and_previews_are_as_small_as_the_real_ones() -> None:
    painter = painter_of()
    painting = painter.begin(request(steps=4))
    painting.preview_steps = frozenset({2})
    shown = []
    while painting.done < painting.steps:
        painter.step([painting])
        shown.append(painting.preview)
        painting.preview = None
    assert [preview is not None for preview in shown] == [False, True, False, False]
    assert shown[1] is not None and shown[1].shape == (8, 12, 3)


def test_loading_takes_its_time_once_until_it_is_unloaded(monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []
    monkeypatch.setattr(time, "sleep", slept.append)
    painter = SimulatedPainter(SimulatedConfig(load_s=0.05))
    for act, times in ((painter.load, 1), (painter.load, 1), (painter.unload, 1), (painter.load, 2)):
        act()
        assert slept == [0.05] * times


def test_like_a_real_model_it_paints_nothing_unloaded() -> None:
    painter = painter_of()
    painter.unload()
    assert not painter.loaded
    with pytest.raises(NotReady):
        painter.begin(request())


def test_it_takes_loras_as_a_model_does_and_they_change_nothing() -> None:
    painter, use = painter_of(), LoraUse(name="ink", sha256="0" * 64, param="loras.0")
    assert painter.lora_size(use) == 0
    weights = painter.read_lora(use)
    assert (dict(weights.networks), weights.size_bytes) == ({}, 0)
    asked = replace(request(), loras=(PictureLora(use, weights),))
    assert np.array_equal(painter.decode([painter.begin(asked)])[0], pixels(1))
