from __future__ import annotations

import shutil
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from deployments.diffusion.guide_pictures import PosePicture, References
from deployments.diffusion.latent_previews import LatentMap
from deployments.diffusion.model.denoiser import Denoiser, DiffusionPainting
from deployments.diffusion.model.model_config import ModelConfig
from deployments.diffusion.start_picture import StartPicture
from deployments.errors import NotReady, OutOfMemory, UnsupportedTask
from tests.support.denoisers import paint, requested


@cache
def denoiser_of(folder: Path) -> Denoiser:
    made = Denoiser(ModelConfig(str(folder), device="cpu", threads=1))
    made.load()
    return made


@pytest.fixture(scope="module")
def denoiser(tiny_sd1: Path) -> Denoiser:
    return denoiser_of(tiny_sd1)


def test_a_seed_has_one_picture_and_another_seed_another(denoiser: Denoiser) -> None:
    first, again, other = (paint(denoiser, requested(seed=seed)) for seed in (11, 11, 12))
    assert first.dtype == np.uint8 and first.shape == (96, 64, 3)
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)
    assert paint(denoiser, requested(seed=2**53 - 1)).shape == (96, 64, 3)


def test_words_are_encoded_once_for_all_their_seeds(
    denoiser: Denoiser, monkeypatch: pytest.MonkeyPatch
) -> None:
    encoded: list[str] = []
    encode = denoiser._pipeline.encode_prompt

    def counting(**words: Any) -> Any:
        encoded.append(words["prompt"])
        return encode(**words)

    monkeypatch.setattr(denoiser._pipeline, "encode_prompt", counting)
    for seed in range(3):
        denoiser.begin(requested(seed=seed, prompt="new words"))
    assert encoded == ["new words"]
    denoiser.begin(requested(prompt="new words", negative_prompt="others"))
    denoiser.begin(requested(prompt="new words", guidance_scale=1.0))
    assert encoded == ["new words"] * 3


@pytest.mark.parametrize(("guidance", "cut"), [(7.5, ["prompt", "negative_prompt"]), (1.0, ["prompt"])])
def test_words_beyond_what_the_model_reads_are_reported(
    denoiser: Denoiser, guidance: float, cut: list[str]
) -> None:
    words = "knight " * 40
    painting = denoiser.begin(requested(prompt=words, negative_prompt=words, guidance_scale=guidance))
    length = 6 * 40 + 2
    assert painting.warnings == tuple(
        f"{name} is {length} tokens long; the model reads the first 77" for name in cut
    )
    assert denoiser.begin(requested()).warnings == ()


@pytest.mark.parametrize(
    "guide",
    [
        {"start": StartPicture(name="1f" * 32, strength=0.6)},
        {"references": References(names=("1f" * 32,), scale=0.6)},
        {"pose": PosePicture(scale=1.0)},
    ],
    ids=str,
)
def test_a_kept_job_that_needs_more_than_words_is_refused(denoiser: Denoiser, guide: dict[str, Any]) -> None:
    with pytest.raises(UnsupportedTask, match="paints from text alone"):
        denoiser.begin(replace(requested(), **guide))


def test_the_steps_are_as_many_as_there_really_are(denoiser: Denoiser, tiny_sd2: Path) -> None:
    assert denoiser.begin(requested()).steps == 4, "PNDM takes one more"
    assert denoiser_of(tiny_sd2).begin(requested()).steps == 3


def test_outside_its_interval_guidance_costs_nothing(denoiser: Denoiser, tiny_sd2: Path) -> None:
    velocity = denoiser_of(tiny_sd2)
    painting = velocity.begin(requested(num_inference_steps=4, guidance_interval=(0.25, 0.75)))
    rows = []
    while painting.done < painting.steps:
        rows.append(painting.rows)
        velocity.step([painting])
    assert rows == [1, 2, 2, 1]
    parts = [(0.0, 1.0), (0.0, 0.0), (0.25, 0.75)]
    whole, none, some = (paint(velocity, requested(guidance_interval=part)) for part in parts)
    assert np.array_equal(none, paint(velocity, requested(guidance_scale=1.0)))
    assert not np.array_equal(whole, some)
    assert not np.array_equal(none, some)


def out_of_memory() -> list[RuntimeError]:
    return [
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"),
        RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 8 bytes"),
    ]


def raising(error: Exception) -> Any:
    def fail(*arguments: Any, **named: Any) -> None:
        raise error

    return fail


@pytest.mark.parametrize("which", [0, 1])
def test_no_room_in_a_forward_changes_nothing_and_the_tensors_go(
    denoiser: Denoiser, monkeypatch: pytest.MonkeyPatch, which: int
) -> None:
    before = paint(denoiser, requested())
    painting = denoiser.begin(requested())
    denoiser.step([painting])
    with monkeypatch.context() as patched:
        patched.setattr(denoiser._pipeline.unet, "forward", raising(out_of_memory()[which]))
        with pytest.raises(OutOfMemory) as raised:
            denoiser.step([painting])
    assert raised.value.__context__ is None, "its frames would keep the tensors that fill the memory"
    denoiser.free()
    assert painting.done == 1
    while painting.done < painting.steps:
        denoiser.step([painting])
    assert np.array_equal(denoiser.decode([painting])[0], before)


def test_a_solver_that_fails_is_its_own_pictures_fault(denoiser: Denoiser) -> None:
    first, second = denoiser.begin(requested()), denoiser.begin(requested(seed=5))
    first.solver.step = raising(ValueError("its solver"))
    denoiser.step([first, second])
    assert isinstance(first.fault, ValueError)
    assert (second.fault, second.done) == (None, 1)


def test_another_fault_of_torch_is_no_lack_of_memory(
    denoiser: Denoiser, monkeypatch: pytest.MonkeyPatch
) -> None:
    painting = denoiser.begin(requested())
    monkeypatch.setattr(denoiser._pipeline.unet, "forward", raising(RuntimeError("mat1 and mat2 shapes")))
    with pytest.raises(RuntimeError, match="mat1"):
        denoiser.step([painting])


def test_not_a_number_anywhere_becomes_black(denoiser: Denoiser) -> None:
    whole, torn = denoiser.begin(requested()), denoiser.begin(requested())
    torn.latents = torn.latents.clone()
    torn.latents[..., 0, 0] = float("nan")
    pictures = denoiser.decode([whole, torn])
    assert pictures[0].any()
    assert not pictures[1].any()


@pytest.mark.parametrize("family", ["tiny_sd1", "tiny_sd2", "tiny_sdxl"])
def test_a_preview_is_of_the_predicted_picture_and_changes_nothing(
    family: str, request: pytest.FixtureRequest
) -> None:
    denoiser = denoiser_of(request.getfixturevalue(family))
    plain, shown = denoiser.begin(requested()), denoiser.begin(requested())
    shown.preview_steps = frozenset({2})
    previews = []
    while shown.done < shown.steps:
        denoiser.step([plain, shown])
        assert plain.preview is None
        previews.append(shown.preview)
        shown.preview = None
    assert [preview is not None for preview in previews] == [done == 2 for done in range(1, shown.steps + 1)]
    assert isinstance(previews[1], np.ndarray)
    assert previews[1].shape == (12, 8, 3) and previews[1].std() > 0
    assert torch.allclose(plain.latents, shown.latents, atol=1e-4)


def test_the_last_prediction_is_where_a_solver_ends(tiny_sd2: Path) -> None:
    """DDIM's last step yields the predicted picture, except for the schedule's remaining noise."""
    denoiser = denoiser_of(tiny_sd2)
    painting = denoiser.begin(requested(num_inference_steps=10))
    painting.preview_steps = frozenset({10})
    while painting.done < painting.steps:
        denoiser.step([painting])
    latent_map = denoiser._drawer
    assert isinstance(latent_map, LatentMap) and isinstance(painting.preview, np.ndarray)
    ended = latent_map(painting.latents[0].numpy()).astype(int)
    assert np.abs(ended - painting.preview).mean() < 6
    start = latent_map(denoiser.begin(requested()).latents[0].numpy()).astype(int)
    assert np.abs(ended - start).mean() > 20


def test_a_forward_can_be_measured(denoiser: Denoiser) -> None:
    assert denoiser.measure(1) > 0
    assert denoiser.measure(4) > 0


def test_it_knows_its_model_and_paints_only_when_loaded(tiny_sdxl: Path) -> None:
    made = Denoiser(ModelConfig(str(tiny_sdxl), device="cpu", threads=1))
    assert (made.model, made.latent_factor, made.native_size, made.loaded) == (
        "tiny-sdxl",
        8,
        (64, 64),
        False,
    )
    with pytest.raises(NotReady):
        made.begin(requested())
    made.load()
    pipeline, fingerprint = made._pipeline, made.fingerprint
    made.load()
    assert made._pipeline is pipeline
    first = paint(made, requested())
    made.unload()
    assert not made.loaded
    made.load()
    assert np.array_equal(paint(made, requested()), first)
    assert made.fingerprint == fingerprint != ""


def test_in_exact_mode_every_forward_has_as_many_rows(tiny_sd1: Path) -> None:
    made = Denoiser(ModelConfig(str(tiny_sd1), device="cpu", threads=1, exact=True, exact_rows=4))
    made.load()
    read: list[int] = []
    made._pipeline.unet.register_forward_pre_hook(lambda _, inputs: read.append(len(inputs[0])))
    paintings: list[DiffusionPainting] = [made.begin(requested(guidance_scale=scale)) for scale in (7.5, 1.0)]
    made.step(paintings)
    made.step(paintings[:1])
    assert read == [4, 4]
    made.free()
    assert made.fixed_rows == 2, "two, as four do not fit"


def test_compiled_a_forward_has_a_power_of_two_of_rows(
    tiny_sd1: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("deployments.diffusion.model.loader.compile_denoiser", lambda pipeline, device: None)
    made = Denoiser(ModelConfig(str(tiny_sd1), device="cpu", threads=1, compile=True))
    made.load()
    read: list[int] = []
    made._pipeline.unet.register_forward_pre_hook(lambda _, inputs: read.append(len(inputs[0])))
    for count in (1, 2, 3, 5):
        made.step([made.begin(requested()) for _ in range(count)])
    assert read == [2, 4, 8, 16]


@pytest.mark.parametrize(
    "writes_code",
    [
        False,
        pytest.param(
            True,
            marks=[
                pytest.mark.slow,
                pytest.mark.timeout(900),  # Compiling takes minutes on a busy machine.
                pytest.mark.skipif(shutil.which("g++") is None, reason="torch.compile needs g++ on a CPU"),
            ],
        ),
    ],
    ids=["traced", "in C++"],
)
@pytest.mark.filterwarnings("ignore")  # The compiler's warnings, also about diffusers' code.
def test_compiled_it_paints_what_it_paints_otherwise(
    tiny_sd1: Path, monkeypatch: pytest.MonkeyPatch, writes_code: bool
) -> None:
    """Trace the network; only the slow case also generates C++, which takes minutes."""
    traced = []

    def trace(network: torch.nn.Module, **asked: Any) -> None:
        network._compiled_call_impl = torch.compile(
            network._call_impl, backend="eager", dynamic=asked["dynamic"]
        )
        traced.append(network)

    if not writes_code:
        monkeypatch.setattr(torch.nn.Module, "compile", trace)
    plain, compiled = (
        Denoiser(ModelConfig(str(tiny_sd1), device="cpu", threads=1, compile=compile))
        for compile in (False, True)
    )
    pictures = []
    for made in (plain, compiled):
        made.load()
        pictures.append(paint(made, requested()).astype(int))
    assert abs(pictures[0] - pictures[1]).max() <= 1
    assert len(traced) == (not writes_code)


def test_words_that_the_model_does_not_know_are_named(tiny_sd1: Path, tmp_path: Path) -> None:
    folder = tmp_path / "tiny"
    shutil.copytree(tiny_sd1, folder)
    (folder / "known_words.json").write_text('{"words": ["red", "knight"]}')
    made = Denoiser(ModelConfig(str(folder), device="cpu", threads=1))
    made.load()
    assert made.begin(requested()).warnings == ()
    assert made.begin(requested(prompt="a dragon in red")).warnings == ("tiny does not know: dragon",)
