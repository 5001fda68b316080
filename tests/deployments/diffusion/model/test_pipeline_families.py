"""Every family in the pipeline painter: with any peers each picture equals its stock pipeline's."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from deployments.diffusion.model.call_arguments import call_arguments
from deployments.diffusion.model.families import family_named
from deployments.diffusion.model.loader import load
from deployments.diffusion.model.model_config import ModelConfig
from deployments.diffusion.model.pipeline_painter import PipelinePainter
from deployments.diffusion.model.pipeline_painting import PipelinePainting
from deployments.diffusion.painter import PaintRequest, forward_rows
from deployments.errors import InvalidRequest
from tests.support.denoisers import step_or_split
from tests.support.tiny_families import TINY

ASKED = PaintRequest("a red knight", None, 4, 3.0, 11, 64, 96)
CLOSE = 1e-5
TinyModel = Callable[[str], Path]
Floats = np.ndarray[Any, Any]


@cache
def painter_of(folder: Path, family: str, exact: bool) -> PipelinePainter:
    made = PipelinePainter(config_of(folder, family, exact))
    made.load()
    return made


@cache
def stock_of(folder: Path, family: str) -> Any:
    return load(config_of(folder, family, False))


def config_of(folder: Path, family: str, exact: bool) -> ModelConfig:
    return ModelConfig(str(folder), family=family, device="cpu", threads=1, exact=exact)


@cache
def stock(folder: Path, family: str, request: PaintRequest) -> Floats:
    """Return what the pipeline paints, called as diffusers documents it, in floats from 0 to 1."""
    pipeline = stock_of(folder, family)
    generator = torch.Generator("cpu").manual_seed(request.seed)
    requested = call_arguments(family_named(family), request)
    return pipeline(**requested, generator=generator, output_type="np").images[0]  # type: ignore[no-any-return]


@dataclass(frozen=True)
class Visit:
    """A request that joins before step `at`, and leaves after `stay` steps, if given."""

    request: PaintRequest
    at: int = 0
    stay: int | None = None


FAILS = "fails"
TEN = [
    Visit(ASKED),
    Visit(replace(ASKED, seed=1, num_inference_steps=6, guidance_scale=2.0)),
    Visit(replace(ASKED, seed=2, guidance_scale=1.0), at=1),
    Visit(replace(ASKED, seed=3, num_inference_steps=20), at=1, stay=3),
    Visit(replace(ASKED, seed=4, prompt="a witch in a long red coat"), at=1),
    Visit(replace(ASKED, seed=5, prompt=FAILS, num_inference_steps=9), at=2),
    Visit(replace(ASKED, seed=6, negative_prompt="blurry"), at=2),
    Visit(replace(ASKED, seed=7, prompt="a fox", num_inference_steps=12), at=3, stay=1),
    Visit(replace(ASKED, seed=8, prompt=FAILS), at=3),
    Visit(replace(ASKED, seed=9, num_inference_steps=3, width_px=96), at=4),
]


@contextmanager
def failing_in_company(painter: PipelinePainter, here: dict[int, PipelinePainting]) -> Iterator[list[int]]:
    """Fail forwards with rows of a FAILS request, from its second step on; yield each forward's rows."""
    forwards: list[int] = []

    def look(network: Any, positional: Any, named: Any) -> None:
        first = positional[0] if positional else next(iter(named.values()))
        forwards.append(len(first))
        for painting in here.values():
            call = painting.run.call if painting.run.at == "denoiser" else None
            if call is None or painting.request.prompt != FAILS or not painting.done:
                continue
            own = call.positional[0] if call.positional else next(iter(call.keywords.values()))
            if any(torch.equal(row, mine) for row in first for mine in own if row.shape == mine.shape):
                raise ValueError(FAILS)

    hook = painter._denoiser.register_forward_pre_hook(look, with_kwargs=True)
    try:
        yield forwards
    finally:
        hook.remove()


def crowd(painter: PipelinePainter, visits: Sequence[Visit]) -> tuple[list[Floats | None], list[int]]:
    here: dict[int, PipelinePainting] = {}
    pictures: list[Floats | None] = [None] * len(visits)
    with failing_in_company(painter, here) as forwards:
        for step in range(30):
            for number, visit in enumerate(visits):
                if visit.at == step:
                    here[number] = painter.begin(visit.request)
            step_or_split(painter, list(here.values()))
            for number, painting in list(here.items()):
                if painting.fault is not None:
                    here.pop(number).close()
                elif painting.done == painting.steps:
                    painter.decode([painting])
                    pictures[number] = here.pop(number).run.output.images[0]
                elif painting.done == visits[number].stay:
                    here.pop(number).close()
    assert not here
    return pictures, forwards


def apart(one: Floats, other: Floats) -> float:
    return float(np.abs(one - other).max())


@pytest.mark.parametrize("family", TINY)
def test_ten_staggered_requests_are_each_the_stock_pipelines(family: str, tiny_model: TinyModel) -> None:
    folder = tiny_model(family)
    pictures, forwards = crowd(painter_of(folder, family, False), TEN)
    for visit, picture in zip(TEN, pictures, strict=True):
        assert (picture is None) == (visit.request.prompt == FAILS or visit.stay is not None)
        if picture is not None:
            assert apart(picture, stock(folder, family, visit.request)) < CLOSE
    assert max(forwards) >= 4, "they shared forwards"


@pytest.mark.parametrize("family", TINY)
def test_alone_it_is_bitwise_the_stock_pipelines(family: str, tiny_model: TinyModel) -> None:
    folder = tiny_model(family)
    for request in (ASKED, replace(ASKED, guidance_scale=1.0, seed=2**53 - 1)):
        [picture], _ = crowd(painter_of(folder, family, False), [Visit(request)])
        assert picture is not None and np.array_equal(picture, stock(folder, family, request))


@pytest.mark.parametrize("family", TINY)
def test_with_fixed_rows_not_one_bit_depends_on_the_peers(family: str, tiny_model: TinyModel) -> None:
    folder = tiny_model(family)
    painter = painter_of(folder, family, True)
    [alone], forwards = crowd(painter, [Visit(ASKED)])
    assert set(forwards) == {8}
    peers = [Visit(replace(ASKED, seed=seed, num_inference_steps=2 + seed), at=seed) for seed in range(2)]
    for together in ([Visit(ASKED), *peers], [*peers, Visit(ASKED, at=1)]):
        pictures, _ = crowd(painter, together)
        picture = pictures[[visit.request for visit in together].index(ASKED)]
        assert alone is not None and picture is not None and np.array_equal(picture, alone)


@pytest.mark.parametrize("changes", [{"num_inference_steps": 5}, {"prompt": "a blue knight"}, {"seed": 12}])
@pytest.mark.parametrize("family", TINY)
def test_so_close_no_two_requests_are(family: str, changes: dict[str, Any], tiny_model: TinyModel) -> None:
    """Negative control: anything that leaked between peers would be noticed."""
    folder = tiny_model(family)
    assert apart(stock(folder, family, ASKED), stock(folder, family, replace(ASKED, **changes))) > 10 * CLOSE


@pytest.mark.parametrize("family", ["qwen-image", "cogview4"])
def test_two_calls_a_step_are_two_forwards_and_one_step(family: str, tiny_model: TinyModel) -> None:
    """The one that fails is repeated, and the one that succeeded is not."""
    folder = tiny_model(family)
    painter = painter_of(folder, family, False)
    free = replace(ASKED, guidance_scale=1.0, seed=5)
    requested = [ASKED, replace(ASKED, seed=4), free]
    paintings = [painter.begin(request) for request in requested]
    forwards: list[int] = []

    def second_fails(network: Any, positional: Any, named: Any) -> None:
        forwards.append(len(named["hidden_states"]))
        if len(forwards) == 2:
            raise ValueError("the second")

    hook = painter._denoiser.register_forward_pre_hook(second_fails, with_kwargs=True)
    with pytest.raises(ValueError, match="the second"):
        painter.step(paintings)
    assert [painting.done for painting in paintings] == [0, 0, 0]
    painter.step(paintings)
    assert ([painting.done for painting in paintings], forwards) == ([1, 1, 1], [3, 2, 2])
    painter.step(paintings)
    assert ([painting.done for painting in paintings], forwards[3:]) == ([2, 2, 2], [3, 2])
    hook.remove()
    while paintings[0].done < paintings[0].steps:
        painter.step(paintings)
    painter.decode(paintings)
    for painting in paintings:
        assert apart(painting.run.output.images[0], stock(folder, family, painting.request)) < 1e-5


@pytest.mark.parametrize("scale", [0.5, 1.0, 3.5])
@pytest.mark.parametrize("family", TINY)
def test_rows_of_a_call_are_what_the_engine_is_given(
    family: str, scale: float, tiny_model: TinyModel
) -> None:
    """Compare the rows known before it begins, once it has begun, and those its pipeline really uses."""
    painter, requested = painter_of(tiny_model(family), family, False), replace(ASKED, guidance_scale=scale)
    forwards: list[int] = []

    def look(network: Any, positional: Any, named: Any) -> None:
        forwards.append(len(positional[0] if positional else next(iter(named.values()))))

    hook = painter._denoiser.register_forward_pre_hook(look, with_kwargs=True)
    expected = painter.first_forwards(requested)
    painting = painter.begin(requested)
    assert (painting.rows, painting.calls) == (expected[0], len(expected))
    assert forward_rows([painting]) == expected
    painter.step([painting])
    hook.remove()
    painting.close()
    assert forwards == expected


def test_calls_of_unlike_shape_are_reported_as_forwards_of_their_own(tiny_model: TinyModel) -> None:
    painter = painter_of(tiny_model("qwen-image"), "qwen-image", False)
    texts = ["a fox", "a fox", "a witch in a long red coat", "an old mill"]
    scales = [1.0, 3.0, 3.0, 1.0]
    paintings = [
        painter.begin(replace(ASKED, prompt=text, guidance_scale=scale, seed=seed))
        for seed, (text, scale) in enumerate(zip(texts, scales, strict=True))
    ]
    counted: list[int] = []
    hook = painter._denoiser.register_forward_pre_hook(
        lambda network, given, named: counted.append(len(named["hidden_states"])), with_kwargs=True
    )
    predicted = forward_rows(paintings)
    painter.step(paintings)
    hook.remove()
    assert sum(predicted) == sum(counted) == 6
    assert predicted[0] == 2 and len(predicted) > 3


@pytest.mark.parametrize(
    "family", [name for name in TINY if family_named(name).guidance == "classifier_free"]
)
def test_a_step_outside_the_guidance_interval_is_a_step_without_guidance(
    family: str, tiny_model: TinyModel
) -> None:
    """No step is guided: the picture equals one without guidance, and each step has one row."""
    folder = tiny_model(family)
    painter = painter_of(folder, family, False)
    requested = replace(ASKED, negative_prompt="blurry", guidance_interval=(0.0, 0.0))
    plain = replace(ASKED, guidance_scale=0.0)
    forwards: list[int] = []
    hook = painter._denoiser.register_forward_pre_hook(
        lambda network, given, named: forwards.append(len(given[0] if given else next(iter(named.values())))),
        with_kwargs=True,
    )
    [picture, other], _ = crowd(painter, [Visit(requested), Visit(replace(requested, seed=12), at=1)])
    hook.remove()
    assert picture is not None and apart(picture, stock(folder, family, plain)) < CLOSE
    assert other is not None and apart(other, stock(folder, family, replace(plain, seed=12))) < CLOSE
    assert sum(forwards) == 2 * ASKED.num_inference_steps
    # Lumina 2 guides only the first quarter of its steps.
    interval = (0.25, 1.0) if family == "lumina2" else (0.5, 1.0)
    partly = replace(requested, guidance_scale=12.0, guidance_interval=interval)
    [partial_picture], _ = crowd(painter, [Visit(partly)])
    assert partial_picture is not None
    for scale in [12.0] if family == "lumina2" else [0.0, 12.0]:
        whole = stock(folder, family, replace(ASKED, negative_prompt="blurry", guidance_scale=scale))
        assert apart(partial_picture, whole) > 10 * CLOSE


@pytest.mark.parametrize("family", ["flux-dev", "flux-schnell"])
def test_where_guidance_is_no_row_no_step_is_without_it(family: str, tiny_model: TinyModel) -> None:
    with pytest.raises(InvalidRequest, match="cannot leave out guidance"):
        painter_of(tiny_model(family), family, False).begin(replace(ASKED, guidance_interval=(0.25, 0.75)))


@pytest.mark.parametrize("scale", [0.0, 0.5, 1.0, 3.0])
@pytest.mark.parametrize("family", ["sd3", "chroma", "z-image"])
def test_a_picture_is_guided_where_its_pipeline_guides(
    family: str, scale: float, tiny_model: TinyModel
) -> None:
    """Z-Image guides at any scale above 0."""
    painting = painter_of(tiny_model(family), family, False).begin(replace(ASKED, guidance_scale=scale))
    assert painting.guided == painting.run._pipeline.do_classifier_free_guidance


def test_so_many_rows_are_measured_as_are_requested(tiny_model: TinyModel) -> None:
    painter = painter_of(tiny_model("z-image"), "z-image", False)
    forwards: list[int] = []
    hook = painter._denoiser.register_forward_pre_hook(lambda network, given: forwards.append(len(given[0])))
    painter.measure(2)
    hook.remove()
    assert forwards == [2, 2, 2]


@pytest.mark.parametrize("family", TINY)
def test_previews_are_of_the_predicted_picture(family: str, tiny_model: TinyModel) -> None:
    """Previews have the picture's shape, and do not change the picture."""
    folder = tiny_model(family)
    painter = painter_of(folder, family, False)
    painting = painter.begin(ASKED)
    painting.preview_steps = frozenset({2, 4})
    seen: list[Any] = []
    while painting.done < painting.steps:
        painter.step([painting])
        assert painting.fault is None
        seen.append(painting.preview)
        painting.preview = None
    painter.decode([painting])
    assert np.array_equal(painting.run.output.images[0], stock(folder, family, ASKED))
    assert [preview is not None for preview in seen] == [False, True, False, True]
    assert seen[1].shape[0] > seen[1].shape[1] and seen[1].std() > 0
