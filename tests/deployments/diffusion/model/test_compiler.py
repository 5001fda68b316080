"""The process that compiles a forward: its input, its failures, and its end with the replica."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import pytest
import torch

from deployments.diffusion.model import compile_process, compiler
from deployments.diffusion.model.compile_process import NotFaster
from deployments.diffusion.model.compiler import Compiler
from deployments.diffusion.model.device import DeviceClock
from deployments.diffusion.model.loader import load
from deployments.diffusion.model.model_config import ModelConfig
from tests.support.polling import until


@pytest.fixture
def described(tiny_sd2: Path, tmp_path: Path) -> Iterator[Path]:
    """Describe one forward of a tiny model, in a replica that has two threads without a setting."""
    config = ModelConfig(str(tiny_sd2), device="cpu", compile="auto")
    network = load(ModelConfig(str(tiny_sd2), device="cpu", threads=1)).unet
    generator = torch.Generator().manual_seed(1)
    latents = torch.randn(2, network.config.in_channels, 12, 8, generator=generator)
    words = torch.randn(2, 77, network.config.cross_attention_dim, generator=generator)
    keywords = {"encoder_hidden_states": words, "added_cond_kwargs": None, "return_dict": False}
    threads = torch.get_num_threads()
    torch.set_num_threads(2)
    asked = (latents[:1], torch.tensor(5)), keywords | {"encoder_hidden_states": words[:1]}
    Compiler().describe(tmp_path, config, ((latents, torch.tensor(5)), keywords), asked)
    yield tmp_path
    torch.set_num_threads(threads)


@pytest.mark.parametrize(
    ("off_by", "longer_s", "expected"),
    [
        (0.0, -0.5, nullcontext()),
        (0.1, -0.5, pytest.raises(ArithmeticError, match=r"result differs by 0\.1")),
        (0.0, 0.0, pytest.raises(NotFaster)),
        (0.0, 0.5, pytest.raises(NotFaster)),
    ],
    ids=["faster", "different", "as fast", "slower"],
)
@pytest.mark.filterwarnings("ignore")  # Torch's warnings about its own code.
def test_what_was_described_is_exported_and_held_against_the_network(
    described: Path,
    monkeypatch: pytest.MonkeyPatch,
    off_by: float,
    longer_s: float,
    expected: AbstractContextManager[Any],
) -> None:
    """Cover all but generating C++, which the slow test covers. Each clock reading takes a second."""
    exported: list[Any] = []
    now_s = [0.0]

    def compile_to(program: Any, package_path: str, inductor_configs: dict[str, Any]) -> str:
        assert inductor_configs == {"freezing": True, "cpp.threads": 2}, "as many threads as its replica has"
        assert torch.get_num_threads() == 1
        exported.append(program.module())
        return package_path

    def forward(*positional: Any, **keywords: Any) -> Any:
        assert torch.get_num_threads() == 2 and len(positional[0]) == 2
        now_s[0] += longer_s
        return (exported[0](*positional, **keywords)[0] + off_by,)

    def load_from(package: str) -> Callable[..., Any]:
        assert package == str(described / compile_process.PACKAGE)
        return forward

    def read_clock(_: DeviceClock) -> float:
        now_s[0] += 1.0
        return now_s[0]

    monkeypatch.setattr(torch._inductor, "aoti_compile_and_package", compile_to)
    monkeypatch.setattr(torch._inductor, "aoti_load_package", load_from)
    monkeypatch.setattr(DeviceClock, "now_s", read_clock)
    try:
        with expected:
            compile_process.compile_call(described)
    finally:
        torch.set_grad_enabled(True)


def test_it_is_said_apart_that_it_gains_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compiler, "PROGRAM", "tests.support.gainless_compile")
    with pytest.raises(NotFaster):
        Compiler().compile(tmp_path)


def test_the_reason_of_a_failure_is_passed_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compiler, "PROGRAM", "no.such.program")
    with pytest.raises(RuntimeError, match="its process exited with 1"):
        Compiler().compile(tmp_path)
    (tmp_path / compile_process.FAULT).write_text("InvalidCxxCompiler: no g++")
    with pytest.raises(RuntimeError, match=r"InvalidCxxCompiler: no g\+\+"):
        Compiler().compile(tmp_path)


def test_stopped_it_ends_at_once_and_wrote_in_its_folder_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compiler, "PROGRAM", "tests.support.endless_compile")
    made, ends = Compiler(), list[str]()

    def compile_it() -> None:
        with pytest.raises(RuntimeError) as ended:
            made.compile(tmp_path)
        ends.append(str(ended.value))

    thread = threading.Thread(target=compile_it)
    thread.start()
    until((tmp_path / "begun").exists)
    made.stop()
    thread.join()
    assert ends == ["its process exited with -9"]
    places = (tmp_path / "places.txt").read_text().splitlines()
    assert len(places) == 2 and all(Path(place).is_relative_to(tmp_path) for place in places)
    with pytest.raises(RuntimeError, match="the compiler was stopped"):
        made.compile(tmp_path)
