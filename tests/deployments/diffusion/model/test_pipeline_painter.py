"""Paint many requests through one denoiser, each with the stock pipeline's own code."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from deployments.diffusion.engine.engine import Engine
from deployments.diffusion.engine.watchdog import Unhealthy
from deployments.diffusion.model.denoiser import Denoiser
from deployments.diffusion.model.model_config import GenerationConfig, ModelConfig
from deployments.diffusion.model.pipeline_painter import PipelinePainter
from deployments.diffusion.model.pipeline_painting import PipelinePainting
from deployments.diffusion.painter import PaintRequest
from deployments.errors import GenerationFailed, NotReady, OutOfMemory
from deployments.messages import LayerJob, LayerResult, StepEvent
from tests.support.denoisers import step_or_split
from tests.support.polling import eventually
from tests.support.stock_pipelines import solver_of, stock

ASKED = PaintRequest("a red knight", "blurry", 5, 7.5, 11, 64, 96)
UNETS = ["tiny_sd1", "tiny_sd2", "tiny_sdxl"]
DISTILLED = ["tiny_sd1_distilled", "tiny_sdxl_distilled"]
CLOSE = 1e-5
FULL = "CUDA out of memory. Tried to allocate 2.00 GiB"
Floats = np.ndarray[Any, Any]


@cache
def painter_of(folder: Path) -> PipelinePainter:
    made = PipelinePainter(ModelConfig(str(folder), device="cpu", threads=1))
    made.load()
    return made


@cache
def denoiser_of(folder: Path) -> Denoiser:
    made = Denoiser(ModelConfig(str(folder), device="cpu", threads=1))
    made.load()
    return made


@pytest.fixture
def painter(tiny_sd1: Path) -> Iterator[PipelinePainter]:
    """Return one painter for all tests, and remove the hooks that a test adds to its networks."""
    made = painter_of(tiny_sd1)
    made._pipeline.scheduler = solver_of(tiny_sd1, "")
    yield made
    made._pipeline.unet._forward_pre_hooks.clear()
    made._pipeline.text_encoder._forward_pre_hooks.clear()


def finish(painter: PipelinePainter, *paintings: PipelinePainting) -> list[Floats]:
    """Step all pictures together until they are done, and decode them together."""
    while under_way := [painting for painting in paintings if painting.done < painting.steps]:
        painter.step(under_way)
        assert [painting.fault for painting in under_way] == [None] * len(under_way)
    painter.decode(paintings)
    return [painting.run.output.images[0] for painting in paintings]


def apart(one: Floats, other: Floats) -> float:
    return float(np.abs(one - other).max())


@pytest.mark.parametrize(
    "changes", [{}, {"guidance_scale": 1.0, "seed": 2**53 - 1}, {"negative_prompt": None}]
)
@pytest.mark.parametrize("family", [*UNETS, *DISTILLED])
def test_alone_it_is_bitwise_the_stock_pipelines_picture_and_the_denoisers(
    family: str, changes: dict[str, Any], request: pytest.FixtureRequest
) -> None:
    folder, requested = request.getfixturevalue(family), replace(ASKED, **changes)
    painter, denoiser = painter_of(folder), denoiser_of(folder)
    painter._pipeline.scheduler = solver_of(folder, "")
    painting = painter.begin(requested)
    assert np.array_equal(finish(painter, painting)[0], stock(folder, requested))
    same = denoiser.begin(requested)
    while same.done < same.steps:
        denoiser.step([same])
    assert np.array_equal(painter.decode([painting])[0], denoiser.decode([same])[0])


@dataclass(frozen=True)
class Visit:
    """A request that joins before step `at`, and leaves after `stay` steps, if given."""

    request: PaintRequest
    solver: str = ""
    at: int = 0
    stay: int | None = None


def crowd(painter: PipelinePainter, folder: Path, visits: Sequence[Visit]) -> list[Floats | None]:
    here: dict[int, PipelinePainting] = {}
    pictures: list[Floats | None] = [None] * len(visits)
    for step in range(100):
        for number, visit in enumerate(visits):
            if visit.at == step:
                painter._pipeline.scheduler = solver_of(folder, visit.solver)
                here[number] = painter.begin(visit.request)
        step_or_split(painter, list(here.values()))
        for number, painting in list(here.items()):
            if painting.fault is not None:
                del here[number]
            elif painting.done == painting.steps:
                [pictures[number]] = finish(painter, here.pop(number))
            elif painting.done == visits[number].stay:
                here.pop(number).close()
    assert not here
    return pictures


TEN = [
    Visit(ASKED),
    Visit(replace(ASKED, seed=1, num_inference_steps=9, guidance_scale=3.0, prompt="a witch"), at=0),
    Visit(replace(ASKED, seed=2, guidance_scale=1.0), "EulerAncestralDiscreteScheduler", at=1),
    Visit(replace(ASKED, seed=3, num_inference_steps=20), at=1, stay=3),
    Visit(replace(ASKED, seed=4, guidance_scale=2.0, negative_prompt=None), "DDIMScheduler", at=2),
    Visit(replace(ASKED, seed=5, guidance_scale=float("inf")), at=2),
    Visit(replace(ASKED, seed=6, num_inference_steps=7, width_px=96), "UniPCMultistepScheduler", at=3),
    Visit(replace(ASKED, seed=7, num_inference_steps=12, prompt="a fox"), at=3, stay=1),
    Visit(replace(ASKED, seed=8, guidance_scale=float("inf")), "DPMSolverMultistepScheduler", at=5),
    Visit(replace(ASKED, seed=9, num_inference_steps=4, guidance_scale=2.0), "LCMScheduler", at=6),
]
"""Ten staggered requests: two leave, and two become infinite, so `fail_on_nan` fails their forwards."""


def fail_on_nan(module: Any, inputs: Any) -> None:
    if not torch.isfinite(inputs[0]).all():
        raise ValueError("not a number")


@pytest.mark.parametrize("family", UNETS)
def test_ten_staggered_requests_are_each_the_stock_pipelines(
    family: str, request: pytest.FixtureRequest
) -> None:
    folder = request.getfixturevalue(family)
    painter = painter_of(folder)
    forwards: list[int] = []
    hooks = [
        painter._pipeline.unet.register_forward_pre_hook(fail_on_nan),
        painter._pipeline.unet.register_forward_pre_hook(lambda _, inputs: forwards.append(len(inputs[0]))),
    ]
    for visit, picture in zip(TEN, crowd(painter, folder, TEN), strict=True):
        fails = visit.request.guidance_scale == float("inf")
        assert (picture is None) == (fails or visit.stay is not None)
        if picture is not None:
            assert apart(picture, stock(folder, visit.request, visit.solver)) < CLOSE
    for hook in hooks:
        hook.remove()
    assert max(forwards) >= 7, "they shared forwards"


@pytest.mark.parametrize(
    "changes",
    [
        {"guidance_scale": 8.0},
        {"num_inference_steps": 6},
        {"seed": 12},
        {"prompt": "a blue knight"},
        {"negative_prompt": "sharp"},
    ],
)
@pytest.mark.parametrize("family", UNETS)
def test_so_close_no_two_requests_are(
    family: str, changes: dict[str, Any], request: pytest.FixtureRequest
) -> None:
    """Negative control: any parameter that leaked between peers would be noticed."""
    folder = request.getfixturevalue(family)
    assert apart(stock(folder, ASKED), stock(folder, replace(ASKED, **changes))) > 10 * CLOSE


@pytest.mark.parametrize("family", ["tiny_sd1", "tiny_sdxl"])
def test_with_fixed_rows_not_one_bit_depends_on_the_peers(
    family: str, request: pytest.FixtureRequest
) -> None:
    folder = request.getfixturevalue(family)
    painter = PipelinePainter(ModelConfig(str(folder), device="cpu", threads=1, exact=True))
    painter.load()
    read: list[int] = []
    painter._pipeline.unet.register_forward_pre_hook(lambda _, inputs: read.append(len(inputs[0])))
    [alone] = finish(painter, painter.begin(ASKED))
    assert set(read) == {8}
    peers = [Visit(replace(ASKED, seed=seed, num_inference_steps=2 + seed), at=seed) for seed in range(3)]
    for together in ([Visit(ASKED), *peers], [*peers, Visit(ASKED, at=1)]):
        picture = crowd(painter, folder, together)[0 if together[0].request == ASKED else -1]
        assert picture is not None and np.array_equal(picture, alone)
    assert apart(alone, stock(folder, ASKED)) < CLOSE
    painter.free()
    assert painter.fixed_rows == 4, "four, as eight do not fit"


def test_a_fault_of_one_pipeline_is_its_own(painter: PipelinePainter, tiny_sd1: Path) -> None:
    first, second = painter.begin(ASKED), painter.begin(replace(ASKED, seed=5))

    def fail(*step: Any, **named: Any) -> None:
        raise SystemExit("its scheduler")

    first.run.scheduler.step = fail
    painter.step([first, second])
    assert isinstance(first.fault, SystemExit)
    assert (second.fault, second.done) == (None, 1)
    [picture] = finish(painter, second)
    assert apart(picture, stock(tiny_sd1, second.request)) < CLOSE


@pytest.mark.parametrize("error", [torch.OutOfMemoryError(FULL), RuntimeError("can't allocate memory: 8")])
def test_no_room_in_a_forward_changes_nothing(
    painter: PipelinePainter, tiny_sd1: Path, error: RuntimeError
) -> None:
    paintings = [painter.begin(replace(ASKED, seed=seed)) for seed in (1, 2)]
    painter.step(paintings)

    def fail(*inputs: Any) -> None:
        raise error

    hook = painter._pipeline.unet.register_forward_pre_hook(fail)
    with pytest.raises(OutOfMemory) as raised:
        painter.step(paintings)
    hook.remove()
    assert raised.value.__context__ is None, "its frames would keep the tensors that fill the memory"
    painter.free()
    assert [painting.done for painting in paintings] == [1, 1]
    for painting in paintings:
        [picture] = finish(painter, painting)
        assert apart(picture, stock(tiny_sd1, painting.request)) < CLOSE


def test_of_two_forwards_the_one_that_succeeds_is_kept(painter: PipelinePainter, tiny_sd1: Path) -> None:
    """Two sizes cannot share a forward: if one fails, the other's result is kept for its next step."""
    small, large = painter.begin(ASKED), painter.begin(replace(ASKED, width_px=128))
    read: list[int] = []

    def fail(module: Any, inputs: Any) -> None:
        read.append(inputs[0].shape[-1])
        if read == [8, 16]:
            raise ValueError("the larger one")

    painter._pipeline.unet.register_forward_pre_hook(fail)
    with pytest.raises(ValueError, match="larger"):
        painter.step([small, large])
    assert (small.done, large.done) == (0, 0)
    painter.step([small])
    painter.step([large])
    assert read == [8, 16, 16]
    assert np.array_equal(finish(painter, small)[0], stock(tiny_sd1, ASKED))
    assert np.array_equal(finish(painter, large)[0], stock(tiny_sd1, large.request))


def test_a_decode_that_fails_can_be_tried_again(painter: PipelinePainter, tiny_sd1: Path) -> None:
    paintings = [painter.begin(replace(ASKED, seed=seed)) for seed in (1, 2)]
    while paintings[0].done < paintings[0].steps:
        painter.step(paintings)
    decode, painter._pipeline.vae.decode = painter._pipeline.vae.decode, None
    with pytest.raises(TypeError):
        painter.decode(paintings)
    painter._pipeline.vae.decode = decode
    for painting in paintings:
        first = painter.decode([painting])
        assert np.array_equal(painter.decode([painting]), first)
        assert apart(painting.run.output.images[0], stock(tiny_sd1, painting.request)) < CLOSE


def test_not_a_number_anywhere_becomes_black(painter: PipelinePainter) -> None:
    paintings = [painter.begin(replace(ASKED, guidance_scale=scale)) for scale in (7.5, float("inf"))]
    while paintings[0].done < paintings[0].steps:
        painter.step(paintings)
    whole, torn = painter.decode(paintings)
    assert whole.any() and not torn.any()


@pytest.mark.parametrize("family", UNETS)
def test_a_preview_is_the_denoisers(family: str, request: pytest.FixtureRequest) -> None:
    folder = request.getfixturevalue(family)
    previews: list[list[Any]] = []
    painter_of(folder)._pipeline.scheduler = solver_of(folder, "")
    for made in (painter_of(folder), denoiser_of(folder)):
        painting: Any = made.begin(ASKED)
        painting.preview_steps = frozenset({2, 4})
        seen = []
        while painting.done < painting.steps:
            made.step([painting])
            seen.append(painting.preview)
            painting.preview = None
        previews.append(seen)
    for own, denoisers in zip(*previews, strict=True):
        assert (own is None) == (denoisers is None)
        assert own is None or np.array_equal(own, denoisers)
    assert previews[0][1].std() > 0


@pytest.mark.parametrize("made", [painter_of, denoiser_of])
def test_a_preview_that_fails_costs_the_preview_alone_and_is_logged_once(
    made: Any, tiny_sd1: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    painter = made(tiny_sd1)
    painter._pipeline.scheduler = solver_of(tiny_sd1, "")

    class Torn:
        def draw(self, latents: Any) -> None:
            raise SystemExit("no preview of these latents")

    monkeypatch.setattr(painter, "_drawer", Torn())
    monkeypatch.setattr(painter, "_preview_failed", False)
    painting = painter.begin(ASKED)
    painting.preview_steps = frozenset({1, 2, 3})
    while painting.done < painting.steps:
        painter.step([painting])
        assert (painting.fault, painting.preview) == (None, None)
    expected = (stock(tiny_sd1, ASKED) * 255).round()
    assert np.abs(painter.decode([painting])[0] - expected).max() <= 1
    assert caplog.text.count("a preview could not be drawn") == 1


@pytest.mark.parametrize("fails", ["begin", "step"])
def test_a_measurement_that_fails_leaves_nothing_open(
    fails: str, painter: PipelinePainter, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, begun = set(painter._begun), []
    begin = painter.begin

    def two_at_most(request: PaintRequest) -> PipelinePainting:
        if fails == "begin" and len(begun) == 2:
            raise OutOfMemory(FULL)
        begun.append(begin(request))
        return begun[-1]

    def full(module: Any, inputs: Any) -> None:
        raise torch.OutOfMemoryError(FULL)

    monkeypatch.setattr(painter, "begin", two_at_most)
    if fails == "step":
        painter._pipeline.unet.register_forward_pre_hook(full)
    with pytest.raises(OutOfMemory):
        painter.measure(4)
    assert len(begun) == (2 if fails == "begin" else 4)
    assert [painting.run.at for painting in begun] == ["end"] * len(begun)
    assert all(painting.run.at == "end" for painting in set(painter._begun) - before)


def test_words_are_encoded_once_and_what_is_not_read_is_reported(painter: PipelinePainter) -> None:
    encoded: list[int] = []
    painter._pipeline.text_encoder.register_forward_pre_hook(lambda *_: encoded.append(1))
    for seed in range(3):
        painter.begin(replace(ASKED, seed=seed, prompt="words that were never read"))
    assert len(encoded) == 2, "the prompt and the negative prompt"
    long = painter.begin(replace(ASKED, prompt="knight " * 40, guidance_scale=1.0))
    assert long.warnings == ("prompt is 242 tokens long; the model reads the first 77",)
    assert (long.rows, long.steps, long.sampler) == (1, 6, "PNDM")


@pytest.mark.parametrize("interval", [(0.25, 0.75), (0.0, 0.5), (0.5, 1.0), (0.5, 0.5)])
@pytest.mark.parametrize("family", UNETS)
def test_guidance_in_a_part_of_the_steps_is_the_denoisers(
    family: str, interval: tuple[float, float], request: pytest.FixtureRequest
) -> None:
    """A step outside the interval has one row, and the picture is bitwise the same."""
    folder, requested = request.getfixturevalue(family), replace(ASKED, guidance_interval=interval)
    painter, denoiser = painter_of(folder), denoiser_of(folder)
    painter._pipeline.scheduler = solver_of(folder, "")
    assert painter.first_forwards(requested) == denoiser.first_forwards(requested)
    painting, same = painter.begin(requested), denoiser.begin(requested)
    rows = []
    while same.done < same.steps:
        assert painting.rows == same.rows
        rows.append(same.rows)
        painter.step([painting])
        denoiser.step([same])
    assert np.array_equal(painter.decode([painting])[0], denoiser.decode([same])[0])
    assert 1 in rows
    if interval != (0.5, 0.5):
        assert 2 in rows
        assert apart(painting.run.output.images[0], stock(folder, ASKED)) > 10 * CLOSE


def test_unloaded_it_paints_nothing_and_loaded_again_the_same(tiny_sd1: Path) -> None:
    made = PipelinePainter(ModelConfig(str(tiny_sd1), device="cpu", threads=1))
    with pytest.raises(NotReady):
        made.begin(ASKED)
    made.load()
    left = made.begin(ASKED)
    assert made.measure(1) > 0 and made.measure(4) > 0
    made.unload()
    assert left.run.at == "end"
    assert not made.loaded
    with pytest.raises(NotReady):
        made.begin(ASKED)
    made.load()
    assert np.array_equal(finish(made, made.begin(ASKED))[0], stock(tiny_sd1, ASKED))


def test_pictures_that_end_together_are_decoded_in_one_call(
    painter: PipelinePainter, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows: list[int] = []
    decode = painter._pipeline.vae.decode

    def counted(latents: Any, *others: Any, **named: Any) -> Any:
        rows.append(len(latents))
        return decode(latents, *others, **named)

    paintings = [painter.begin(replace(ASKED, seed=seed)) for seed in range(3)]
    monkeypatch.setattr(painter._pipeline.vae, "decode", counted)
    finish(painter, *paintings)
    assert rows == [3]


def engine_of(painter: PipelinePainter, config: GenerationConfig) -> Engine:
    engine = Engine(painter, lambda pixels: None, lambda job: np.zeros((1, 1, 3), np.uint8), config)
    engine.start()
    return engine


async def test_the_engine_hears_of_every_step(
    painter: PipelinePainter, make_job: Callable[..., LayerJob]
) -> None:
    engine = engine_of(painter, GenerationConfig())
    *steps, result = [event async for event in engine.submit(make_job(num_inference_steps=3), "a knight", "")]
    assert isinstance(result, LayerResult)
    heard = [(each.step, each.steps) for each in steps if isinstance(each, StepEvent)]
    forwards = 4  # PNDM, which this model uses, takes one more.
    assert heard == [(step, forwards) for step in range(1, forwards + 1)]


async def test_a_forward_that_never_ends_is_seen(
    painter: PipelinePainter, make_job: Callable[..., LayerJob]
) -> None:
    begun, go_on = threading.Event(), threading.Event()

    def hang(module: Any, inputs: Any) -> None:
        begun.set()
        go_on.wait()

    engine = engine_of(painter, GenerationConfig(wedged_after_s=0.05))
    painter._pipeline.unet.register_forward_pre_hook(hang)

    async def paint() -> None:
        async for _ in engine.submit(make_job(num_inference_steps=2), "a knight", ""):
            pass

    painting = asyncio.create_task(paint())
    await eventually(begun.is_set)
    await eventually(lambda: not is_healthy(engine))
    go_on.set()
    await painting
    engine.check_health()


def is_healthy(engine: Engine) -> bool:
    try:
        engine.check_health()
    except Unhealthy:
        return False
    return True


async def through_engine(
    painter: PipelinePainter, jobs: Sequence[LayerJob], leave: Sequence[LayerJob]
) -> list[Any]:
    """Return results or exceptions. The jobs in `leave` are cancelled after their first step."""
    engine = engine_of(painter, GenerationConfig())

    async def result(job: LayerJob) -> LayerResult:
        async for event in engine.submit(job, "a red knight", "blurry"):
            if isinstance(event, LayerResult):
                return event
        raise AssertionError("no result")

    async def visit(job: LayerJob) -> None:
        events = engine.submit(job, "a witch", "")
        await anext(events)
        await events.aclose()

    results, *_ = await asyncio.gather(
        asyncio.gather(*map(result, jobs), return_exceptions=True), *map(visit, leave)
    )
    return list(results)


async def test_through_the_engine_nothing_is_different(
    painter: PipelinePainter, tiny_sd1: Path, make_job: Callable[..., LayerJob]
) -> None:
    """Paint ten at once: two are cancelled, two fail, and the device has memory for six rows only."""
    painter._pipeline.unet.register_forward_pre_hook(fail_on_nan)

    def full(module: Any, inputs: Any) -> None:
        if len(inputs[0]) > 6:
            raise torch.OutOfMemoryError(FULL)

    painter._pipeline.unet.register_forward_pre_hook(full)
    guidance = [7.5, 1.0, 3.0, float("inf"), 12.0, float("inf"), 2.0, 7.5]
    jobs = [
        make_job(seed=seed, num_inference_steps=2 + seed, guidance_scale=scale)
        for seed, scale in enumerate(guidance)
    ]
    leave = [make_job(seed=90 + n, num_inference_steps=40) for n in range(2)]
    for job, painted in zip(jobs, await through_engine(painter, jobs, leave), strict=True):
        if job.guidance_scale == float("inf"):
            assert type(painted) is GenerationFailed and isinstance(painted.__cause__, ValueError)
            continue
        requested = replace(
            ASKED,
            seed=job.seed,
            num_inference_steps=job.num_inference_steps,
            guidance_scale=job.guidance_scale,
        )
        assert painted.degraded == ()
        expected = (stock(tiny_sd1, requested) * 255).round()
        assert np.abs(painted.pixels.astype(int) - expected).max() <= 1
    assert [painting.run.at for painting in painter._begun] == ["end"] * len(painter._begun)
