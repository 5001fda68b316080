from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from deployments.errors import ContentRefused, GenerationFailed
from deployments.imaging import safety_check
from deployments.imaging.safety_check import PictureSafety, SafetyConfig, named_callable, open_nsfw
from deployments.merger import Merger, MergerConfig
from deployments.messages import LayerResult, LayerTimings, MergeJob, OutputOptions, PictureJob, Safety
from tests.support.uploads import a_file

CHECK = "tests.deployments.imaging.test_safety_check:redness"
REPOSITORY = Path(__file__).parents[3]


def redness(pixels: Any) -> float:
    """A custom check: the mean of red, from 0 to 1."""
    assert pixels.shape[2] == 3 and pixels.dtype == np.uint8
    return float(pixels[..., 0].mean() / 255)


def never_right(pixels: Any) -> float:
    return float("nan")


def plain(red: int, alpha: int | None = None) -> Any:
    color = (red, 0, 0) if alpha is None else (red, 0, 0, alpha)
    return np.full((64, 64, len(color)), color, np.uint8)


def judge(mode: Any, threshold: float = 0.5) -> PictureSafety:
    return PictureSafety(SafetyConfig(mode=mode, threshold=threshold, picture_check=CHECK))


def test_flagging_says_what_was_found_and_refusing_refuses_it() -> None:
    assert judge("flag").judge(plain(51)) == Safety(pytest.approx(0.2), False)
    assert judge("flag").judge(plain(255)) == Safety(1.0, True)
    assert not judge("refuse").judge(plain(51)).flagged
    with pytest.raises(ContentRefused) as refused:
        judge("refuse").judge(plain(255), param="file")
    assert refused.value.param == "file"


def test_the_worst_of_several_counts_and_transparent_parts_are_white() -> None:
    assert judge("flag").judge(plain(0), plain(102), plain(51)).score == pytest.approx(0.4)
    assert judge("flag").judge(Image.fromarray(plain(0, 0))).score == 1.0


def test_a_check_that_gives_no_score_lets_nothing_pass() -> None:
    config = SafetyConfig(
        mode="flag", picture_check="tests.deployments.imaging.test_safety_check:never_right"
    )
    with pytest.raises(GenerationFailed):
        PictureSafety(config).judge(plain(0))


@pytest.mark.parametrize(
    "path", ["nowhere:x", "deployments.merger:nothing", "deployments.merger:DEFAULT", "deployments.merger"]
)
def test_a_callable_that_is_none_is_refused_by_its_key(path: str) -> None:
    with pytest.raises(ValueError, match=r"safety\.picture_check"):
        named_callable(path, "safety.picture_check")


def test_open_nsfw_is_calm_about_our_drawings() -> None:
    score = open_nsfw()
    shown = [np.asarray(Image.open(f).convert("RGB")) for f in (REPOSITORY / "docs/pictures").glob("s*.jpg")]
    assert shown and max(map(score, shown)) < 0.2
    assert score(shown[0]) == score(shown[0])


def test_other_weights_are_not_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(safety_check, "MODEL_SHA256", "0" * 64)
    with pytest.raises(ValueError, match="SHA-256"):
        open_nsfw()


def test_without_the_extra_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(safety_check.util, "find_spec", lambda name: None)
    with pytest.raises(ValueError, match=r"\[safety\]"):
        Merger(MergerConfig(safety=SafetyConfig(mode="flag")))


def a_layer(red: int) -> LayerResult:
    pixels = np.full((96, 64, 3), (red, 90, 90), np.uint8)
    return LayerResult("character", pixels, 1, "m", "simulated", LayerTimings(0, 0, 0, 0))


def merger(mode: Any) -> Merger:
    return Merger(MergerConfig(safety=SafetyConfig(mode=mode, threshold=0.9, picture_check=CHECK)))


Act = Callable[[Merger], Any]
UPLOAD = PictureJob("r", a_file(plain(255)), "file", 1 << 20, 64 * 64)
ACTS: dict[str, Act] = {
    "a scene": lambda it: it.merge(MergeJob("r"), a_layer(255), a_layer(255)),
    "a figure inside": lambda it: it.merge(MergeJob("r", layers=True), a_layer(255), a_layer(0)),
    "a layer": lambda it: it.encode(OutputOptions(), a_layer(255)),
    "an upload": lambda it: it.read_picture(UPLOAD),
}


@pytest.mark.parametrize("act", ACTS.values(), ids=ACTS)
async def test_all_that_the_merger_gives_out_is_judged(act: Act) -> None:
    flagged = await act(merger("flag"))
    assert getattr(flagged, "picture", flagged).safety.flagged
    with pytest.raises(ContentRefused):
        await act(merger("refuse"))
    unjudged = await act(Merger())
    assert getattr(unjudged, "picture", unjudged).safety is None
