"""Compile while painting: nothing waits, and a compiled forward is used from the next step on."""

from __future__ import annotations

import logging
import shutil
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from deployments.diffusion.engine.engine import Engine
from deployments.diffusion.model import background_compile
from deployments.diffusion.model.batched_calls import CallReader, RowRules, run_together
from deployments.diffusion.model.compile_process import NotFaster
from deployments.diffusion.model.compiler import Compiler
from deployments.diffusion.model.model_config import GenerationConfig, ModelConfig
from deployments.diffusion.model.pipeline_painter import PipelinePainter
from deployments.diffusion.painter import PaintRequest
from deployments.diffusion.start_picture import StartPicture
from deployments.messages import Pixels
from tests.support.polling import until

ASKED = PaintRequest("a red knight", "blurry", 4, 7.5, 11, 64, 96)
DRAWN = np.random.default_rng(5).integers(0, 256, (96, 64, 3), np.uint8)
CHANGED = replace(ASKED, start=StartPicture(name="drawn", strength=1.0, pixels=DRAWN))
"""Its latents come from the VAE, in channels-last format."""


def axes(value: Any) -> Iterator[int]:
    """Yield the number of axes of each tensor. Raises AssertionError for one that is not contiguous."""
    if isinstance(value, torch.Tensor):
        assert value.is_contiguous()
        yield value.ndim
    for entry in (
        value.values() if isinstance(value, dict) else value if isinstance(value, list | tuple) else ()
    ):
        yield from axes(entry)


class Compiled(Compiler):
    """Return the network's own forward instead of compiling it, and record the rows of each call.

    Compiling waits for `may`, and fails if `fault` is set. As with torch, a forward accepts only tensors of
    the form it was compiled for: contiguous, with the same number of axes. It has one form of output.
    """

    def __init__(self) -> None:
        super().__init__()
        self.network: Any = None
        self.may = threading.Semaphore(0)
        self.fault = ""
        self.slower = False
        self.described: list[list[int]] = []
        self.rows: list[int] = []
        self.folders: list[Path] = []

    def compile(self, folder: Path) -> Callable[..., Any]:
        self.may.acquire()
        self.folders.append(folder)
        call = torch.load(folder / "call.pt", weights_only=True)
        expected, form = list(axes(call["filled"])), call["filled"][1].get("return_dict")
        self.described.append([len(call[how][0][0]) for how in ("asked", "filled")])
        if self.slower:
            raise NotFaster
        if self.fault or self._stopped:
            raise RuntimeError(self.fault)

        def forward(*positional: Any, **keywords: Any) -> Any:
            assert list(axes((positional, keywords))) == expected
            assert keywords.get("return_dict") == form
            self.rows.append(len(positional[0]))
            return self.network(*positional, **keywords)

        return forward

    def stop(self) -> None:
        super().stop()
        self.may.release()


@pytest.fixture
def compiler(monkeypatch: pytest.MonkeyPatch) -> Compiled:
    made = Compiled()
    monkeypatch.setattr(background_compile, "Compiler", lambda: made)
    return made


def painter_of(folder: Path, compiler: Compiled | None = None) -> PipelinePainter:
    made = PipelinePainter(
        ModelConfig(str(folder), device="cpu", threads=1, compile="auto" if compiler else False)
    )
    made.load()
    if compiler:
        compiler.network = made._denoiser
    return made


def paint(
    painter: PipelinePainter, *requests: PaintRequest, halfway: Callable[[], Any] = lambda: None
) -> list[Pixels]:
    """Paint requests together, and call `halfway` after two steps."""
    paintings = [painter.begin(request) for request in requests]
    while paintings[0].done < paintings[0].steps:
        if paintings[0].done == 2:
            halfway()
        painter.step(paintings)
        assert [painting.fault for painting in paintings] == [None] * len(paintings)
    return painter.decode(paintings)


def test_a_picture_under_way_changes_over_between_two_steps(tiny_sd2: Path, compiler: Compiled) -> None:
    """Meanwhile it paints uncompiled, and the start does not wait."""
    [expected] = paint(painter_of(tiny_sd2), ASKED)
    painter = painter_of(tiny_sd2, compiler)
    [first] = paint(painter, ASKED)
    assert np.array_equal(first, expected) and compiler.rows == []
    assert painter.compile_states == {"compiled": 0, "waiting": 1, "failed": 0, "slower": 0}
    painter.start_compiling()

    def be_compiled() -> None:
        compiler.may.release()
        until(lambda: not painter.compile_states["waiting"])

    [second] = paint(painter, ASKED, halfway=be_compiled)
    assert compiler.rows == [2, 2]
    assert np.abs(second.astype(int) - expected.astype(int)).max() <= 1
    assert painter.compile_states == {"compiled": 1, "waiting": 0, "failed": 0, "slower": 0}
    painter.unload()


@pytest.mark.parametrize("first", [ASKED, CHANGED], ids=["words", "a picture"])
def test_a_forward_of_one_task_is_used_in_the_layout_of_another(
    tiny_sd2: Path, compiler: Compiled, first: PaintRequest
) -> None:
    painter = painter_of(tiny_sd2, compiler)
    strides: list[tuple[int, ...]] = []
    painter._denoiser.register_forward_pre_hook(lambda _, inputs: strides.append(inputs[0].stride()))
    paint(painter, first)
    expected = [paint(painter, request) for request in (ASKED, CHANGED)]
    assert len(set(strides)) == 2 and painter.compile_states["waiting"] == 1
    painter.start_compiling()
    compiler.may.release()
    until(lambda: not painter.compile_states["waiting"])
    for request, [uncompiled] in zip((ASKED, CHANGED), expected, strict=True):
        [painted] = paint(painter, request)
        assert np.abs(painted.astype(int) - uncompiled.astype(int)).max() <= 1
    assert painter.compile_states == {"compiled": 1, "waiting": 0, "failed": 0, "slower": 0}
    assert compiler.rows == [2] * 8
    painter.unload()


@pytest.mark.parametrize(
    ("changes", "filled"),
    [({"timestep": torch.tensor([5, 5])}, 2), ({"return_dict": False}, 2), ({"return_dict": False}, 4)],
    ids=["a number for each row", "another form of the answer", "another form, of more rows"],
)
def test_what_is_baked_in_has_a_forward_of_its_own(
    tiny_sd2: Path, compiler: Compiled, changes: dict[str, Any], filled: int
) -> None:
    """Such calls may share a forward, so both have the same key."""
    painter = painter_of(tiny_sd2, compiler)
    network, beside = painter._denoiser, painter._compile
    assert beside is not None
    reader = CallReader(type(network).forward, RowRules())
    rows = 2 if filled == 2 else 3
    latents = torch.zeros(rows, network.config.in_channels, 12, 8)
    words = torch.zeros(rows, 77, network.config.cross_attention_dim)
    given = {"timestep": torch.tensor(5), "encoder_hidden_states": words}
    calls = [reader.read((latents,), given | change) for change in ({}, changes)]
    assert calls[0].key == calls[1].key
    for call in calls:
        assert beside.forward([call]) == (network, rows)
    assert painter.compile_states["waiting"] == 2
    painter.start_compiling()
    for _ in calls:
        compiler.may.release()
    until(lambda: not painter.compile_states["waiting"])
    for call in calls:
        compiled, rows = beside.forward([call])
        assert compiled is not network and rows == filled
        with torch.inference_mode():
            [answer] = run_together(compiled, [call], rows)
        assert isinstance(answer, tuple) != call.keywords.get("return_dict", True)
    assert painter.compile_states == {"compiled": 2, "waiting": 0, "failed": 0, "slower": 0}
    painter.unload()


def test_rows_are_filled_up_only_for_a_forward_that_is_compiled(tiny_sd2: Path, compiler: Compiled) -> None:
    painter = painter_of(tiny_sd2, compiler)
    read: list[int] = []
    painter._denoiser.register_forward_pre_hook(lambda _, inputs: read.append(len(inputs[0])))
    three = [ASKED, ASKED, ASKED]
    paint(painter, *three)
    assert read == [6] * 4
    painter.start_compiling()
    compiler.may.release()
    until(lambda: not painter.compile_states["waiting"])
    paint(painter, *three)
    assert compiler.rows == [8] * 4
    painter.unload()


def test_what_gains_nothing_is_not_used(
    tiny_sd2: Path, compiler: Compiled, caplog: pytest.LogCaptureFixture
) -> None:
    painter = painter_of(tiny_sd2, compiler)
    compiler.slower = True
    expected = paint(painter, ASKED, ASKED, ASKED)
    painter.start_compiling()
    compiler.may.release()
    until(lambda: painter.compile_states["slower"] == 1)
    assert np.array_equal(paint(painter, ASKED, ASKED, ASKED), expected)
    assert painter.compile_states == {"compiled": 0, "waiting": 0, "failed": 0, "slower": 1}
    assert compiler.described == [[6, 8]], (
        "it is timed with the rows that it replaces, and is not tried again"
    )
    assert not caplog.records
    painter.unload()


def test_what_fails_stays_uncompiled_and_is_said_once(
    tiny_sd2: Path, compiler: Compiled, caplog: pytest.LogCaptureFixture
) -> None:
    painter = painter_of(tiny_sd2, compiler)
    compiler.fault = "no compiler here"
    with caplog.at_level(logging.WARNING):
        alone = paint(painter, ASKED)
        both = paint(painter, ASKED, ASKED)
        painter.start_compiling()
        for _ in range(2):
            compiler.may.release()
        until(lambda: painter.compile_states["failed"] == 2)
        again = paint(painter, ASKED), paint(painter, ASKED, ASKED)
    assert np.array_equal((alone, both)[0], again[0]) and np.array_equal(both, again[1])
    assert [record.message for record in caplog.records] == [
        "a forward pass could not be compiled (further failures are not logged): no compiler here"
    ]
    assert len(compiler.folders) == 2, "none is tried again"
    painter.unload()


def test_a_compiled_forward_that_fails_is_not_used_again(tiny_sd2: Path, compiler: Compiled) -> None:
    """The picture being painted is not affected."""
    painter = painter_of(tiny_sd2, compiler)
    expected = paint(painter, ASKED)
    network, calls = compiler.network, list[int]()

    def fail(*positional: Any, **keywords: Any) -> Any:
        calls.append(1)
        raise ValueError("no such input")

    compiler.network = fail
    painter.start_compiling()
    compiler.may.release()
    until(lambda: painter.compile_states["compiled"] == 1)
    assert np.array_equal(paint(painter, ASKED), expected) and painter._denoiser is network
    assert len(calls) == 1
    assert painter.compile_states == {"compiled": 0, "waiting": 0, "failed": 1, "slower": 0}
    painter.unload()


def test_what_cannot_be_written_down_is_painted_uncompiled(
    tiny_sd2: Path, compiler: Compiled, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any) -> None:
        raise OSError("no space left on device")

    monkeypatch.setattr(compiler, "describe", full)
    painter = painter_of(tiny_sd2, compiler)
    paint(painter, ASKED)
    assert painter.compile_states == {"compiled": 0, "waiting": 0, "failed": 1, "slower": 0}
    painter.unload()


@pytest.mark.parametrize(("times", "most"), [(2.5, 2), (0.5, 0)])
def test_compiled_forwards_are_bounded_by_their_bytes(
    tiny_sd2: Path,
    compiler: Compiled,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    times: float,
    most: int,
) -> None:
    painter = painter_of(tiny_sd2, compiler)
    weights = sum(each.nbytes for each in painter._denoiser.parameters())
    monkeypatch.setattr(background_compile, "MOST_BYTES", int(times * weights))
    beside = background_compile.BackgroundCompile(painter._config, painter._denoiser, compiler)
    painter._compile = beside
    for count in (1, 2, 3):
        paint(painter, *[ASKED] * count)
    assert painter.compile_states["waiting"] == most
    assert ("nothing is compiled" in caplog.text) == (most == 0)
    painter.unload()


def test_those_wanted_most_come_first_and_only_so_many(
    tiny_sd2: Path, compiler: Compiled, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(background_compile, "MOST_FORWARDS", 2)
    painter = painter_of(tiny_sd2, compiler)
    paint(painter, ASKED, ASKED)
    for _ in range(2):
        paint(painter, ASKED)
    paint(painter, ASKED, ASKED, ASKED)
    assert painter.compile_states["waiting"] == 2
    painter.start_compiling()
    compiler.may.release()
    until(lambda: painter.compile_states["compiled"] == 1)
    paint(painter, ASKED)
    assert compiler.rows == [2] * 4
    painter.unload()


def test_unloaded_it_ends_what_is_under_way_and_leaves_no_file(tiny_sd2: Path, compiler: Compiled) -> None:
    painter = painter_of(tiny_sd2, compiler)
    paint(painter, ASKED)
    painter.start_compiling()
    beside = painter._compile
    assert beside is not None and beside._folder is not None and beside._thread is not None
    painter.unload()
    assert not beside._thread.is_alive() and not beside._folder.exists()
    assert painter.compile_states == {}


def test_the_engine_compiles_once_it_is_ready(tiny_sd2: Path, compiler: Compiled) -> None:
    painter = painter_of(tiny_sd2, compiler)
    engine = Engine(
        painter, lambda pixels: None, lambda job: np.zeros((1, 1, 3), np.uint8), GenerationConfig(max_rows=2)
    )
    engine.start()
    assert engine.readiness().ready
    assert painter.compile_states["waiting"] == 3, "one and two rows, as measured, and the warm-up's"
    for _ in range(3):
        compiler.may.release()
    until(lambda: painter.compile_states["compiled"] == 3)
    painter.unload()


@pytest.mark.parametrize("auto", [False, True])
def test_where_it_is_off_nothing_of_it_is_imported(
    tiny_sd2: Path, compiler: Compiled, monkeypatch: pytest.MonkeyPatch, auto: bool
) -> None:
    name = background_compile.__name__
    monkeypatch.delitem(sys.modules, name)
    monkeypatch.delattr("deployments.diffusion.model.background_compile")
    painter = painter_of(tiny_sd2, compiler if auto else None)
    assert (name in sys.modules) == auto
    painter.unload()


@pytest.mark.slow
@pytest.mark.timeout(900)  # Compiling takes minutes on a busy machine.
@pytest.mark.skipif(shutil.which("g++") is None, reason="torch needs g++ to compile for a CPU")
def test_it_compiles_in_a_process_of_its_own(tiny_sd2: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Image to image also uses the forward that was compiled for text to image."""
    requests = ASKED, CHANGED
    uncompiled = painter_of(tiny_sd2)
    expected = [paint(uncompiled, request) for request in requests]
    painter = PipelinePainter(ModelConfig(str(tiny_sd2), device="cpu", threads=1, compile="auto"))
    painter.load()
    paint(painter, ASKED)
    painter.start_compiling()
    until(lambda: not painter.compile_states["waiting"], timeout_s=800)
    assert painter.compile_states == {"compiled": 1, "waiting": 0, "failed": 0, "slower": 0}, caplog.text
    for request, [picture] in zip(requests, expected, strict=True):
        [painted] = paint(painter, request)
        assert np.abs(painted.astype(int) - picture.astype(int)).max() <= 1
    assert painter.compile_states == {"compiled": 1, "waiting": 0, "failed": 0, "slower": 0}, caplog.text
    painter.unload()
