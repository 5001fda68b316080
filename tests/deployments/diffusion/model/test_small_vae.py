from __future__ import annotations

import asyncio
import gc
import json
import logging
import shutil
import threading
import weakref
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from io import BytesIO
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from diffusers import AutoencoderTiny
from PIL import Image

from deployments.diffusion.latent_previews import LatentMap, to_pixels
from deployments.diffusion.model import denoiser as denoising
from deployments.diffusion.model.denoiser import Denoiser, DiffusionPainting
from deployments.diffusion.model.loader import load
from deployments.diffusion.model.model_config import ModelConfig
from deployments.diffusion.model.small_vae import MOST_WAITING, SmallVae
from deployments.errors import NotReady
from deployments.messages import LayerJob, LayerResult, Pixels, StepEvent
from tests.support.denoisers import paint, requested
from tests.support.engines import engine_of

MakeJob = Callable[..., LayerJob]


def tiny_vae(folder: Path, **changes: Any) -> Path:
    """Save a small VAE with random weights and four levels, like TAESD."""
    torch.manual_seed(4)
    four = (8, 8, 8, 8)
    shape: dict[str, Any] = {
        "encoder_block_out_channels": four,
        "decoder_block_out_channels": four,
        "num_encoder_blocks": (1, 1, 1, 1),
        "num_decoder_blocks": (1, 1, 1, 1),
    }
    AutoencoderTiny(**(shape | changes)).save_pretrained(folder)
    return folder


@pytest.fixture
def beside(tiny_sd1: Path, tmp_path: Path) -> Path:
    """Return a model with a small VAE in its folder."""
    model = tmp_path / "knights"
    shutil.copytree(tiny_sd1, model)
    tiny_vae(model / "preview_vae")
    return model


@pytest.fixture(scope="module")
def vae_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_vae(tmp_path_factory.mktemp("vae") / "taesd")


def loaded(source: Path, **more: Any) -> Denoiser:
    made = Denoiser(ModelConfig(str(source), device="cpu", threads=1, **more))
    made.load()
    return made


def refusal(source: Path, **more: Any) -> str:
    made = Denoiser(ModelConfig(str(source), device="cpu", threads=1, **more))
    with pytest.raises(NotReady) as raised:
        made.load()
    assert not made.loaded
    return raised.value.message


@pytest.fixture
def expected(monkeypatch: pytest.MonkeyPatch) -> list[torch.Tensor]:
    """Return the latents that previews were made from."""
    seen: list[torch.Tensor] = []
    predict = denoising.expected_latents

    def noting(*arguments: Any) -> Any:
        seen.append(predict(*arguments))
        return seen[-1]

    monkeypatch.setattr(denoising, "expected_latents", noting)
    return seen


def paint_with_previews(made: Denoiser, steps: set[int]) -> tuple[Pixels, dict[int, Any]]:
    """Return the picture, and the previews by step."""
    painting, shown = made.begin(requested(num_inference_steps=5)), {}
    painting.preview_steps = frozenset(steps)
    while painting.done < painting.steps:
        made.step([painting])
        assert painting.fault is None
        if painting.preview is not None:
            preview = painting.preview
            done = preview.result(timeout=60) if isinstance(preview, Future) else preview
            shown[painting.done], painting.preview = done, None
    return made.decode([painting])[0], shown


@pytest.mark.parametrize("named", [False, True])
def test_a_preview_is_what_the_small_vae_makes_of_the_predicted_latents(
    beside: Path, tiny_sd1: Path, vae_folder: Path, expected: list[torch.Tensor], named: bool
) -> None:
    made = loaded(tiny_sd1, preview_vae=str(vae_folder)) if named else loaded(beside)
    _, shown = paint_with_previews(made, {2, 4})
    assert list(shown) == [2, 4]
    vae = AutoencoderTiny.from_pretrained(vae_folder)
    by_map = loaded(tiny_sd1)._drawer
    assert isinstance(by_map, LatentMap)
    for latents, preview in zip(expected, shown.values(), strict=True):
        with torch.inference_mode():
            own = vae.decode(latents).sample[0].permute(1, 2, 0).numpy()
        assert np.array_equal(preview, to_pixels(own))
        assert preview.shape == (96, 64, 3) and preview.std() > 0
        coarse = by_map.draw(latents).repeat(8, axis=0).repeat(8, axis=1)
        assert np.abs(preview.astype(int) - coarse).mean() > 5


def test_diffusers_has_nothing_to_warn_about_in_what_it_wrote_itself(
    beside: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Neither about a preview VAE nor about the model's own, which is one in the bundled models."""
    shutil.rmtree(beside / "vae")
    tiny_vae(beside / "vae")
    index = json.loads((beside / "model_index.json").read_text())
    (beside / "model_index.json").write_text(json.dumps(index | {"vae": ["diffusers", "AutoencoderTiny"]}))
    written = json.loads((beside / "preview_vae" / "config.json").read_text())
    logger = logging.getLogger("diffusers")  # It does not propagate to the root logger.
    logger.addHandler(caplog.handler)
    try:
        drawer = loaded(beside)._drawer
    finally:
        logger.removeHandler(caplog.handler)
    assert caplog.records == []
    assert isinstance(drawer, SmallVae)
    read = json.loads(json.dumps(dict(drawer._vae.config)))
    assert {key: read[key] for key in written if key[0] != "_"} == {
        key: value for key, value in written.items() if key[0] != "_"
    }


def test_one_that_is_named_comes_before_the_models_own(beside: Path, tmp_path: Path) -> None:
    other = tiny_vae(tmp_path / "other", num_decoder_blocks=(1, 1, 1, 2))
    drawer = loaded(beside, preview_vae=str(other))._drawer
    assert isinstance(drawer, SmallVae)
    assert tuple(drawer._vae.config.num_decoder_blocks) == (1, 1, 1, 2)


def test_the_picture_is_bitwise_the_same(beside: Path, tiny_sd1: Path) -> None:
    plain = paint(loaded(tiny_sd1), requested(num_inference_steps=5))
    made = loaded(beside)
    with_previews, shown = paint_with_previews(made, {1, 2, 3})
    assert len(shown) == 3
    assert np.array_equal(with_previews, plain)
    assert np.array_equal(paint(made, requested(num_inference_steps=5)), plain)


def test_it_has_the_precision_of_the_model(beside: Path) -> None:
    made = Denoiser(ModelConfig(str(beside), device="cpu", threads=1))
    pipeline = load(made._config)
    pipeline.to(torch.bfloat16)
    made.adopt(pipeline, beside)
    assert isinstance(made._drawer, SmallVae)
    assert made._drawer._vae.dtype == torch.bfloat16
    drawing = made._drawer.draw(torch.zeros(1, 4, 12, 8, dtype=torch.bfloat16))
    assert drawing is not None
    preview = drawing.result(timeout=60)
    assert preview is not None and preview.shape == (96, 64, 3)


def test_unloading_frees_it(beside: Path) -> None:
    made = loaded(beside)
    paint_with_previews(made, {2})
    assert isinstance(made._drawer, SmallVae)
    threads = {thread for thread in threading.enumerate() if thread.name.startswith("previews")}
    network, drawer = weakref.ref(made._drawer._vae), made._drawer
    assert network() is not None
    made.unload()
    gc.collect()
    assert network() is None, "even while the drawer is referenced"
    assert not any(thread.is_alive() for thread in threads & set(drawer._thread._threads))
    made.load()
    assert len(paint_with_previews(made, {2})[1]) == 1


def fake_vae(decode: Callable[[Any], Any]) -> Any:
    config = SimpleNamespace(scaling_factor=1.0)
    return SimpleNamespace(config=config, dtype=torch.float32, decode=lambda own, return_dict: (decode(own),))


def test_a_large_one_is_made_small() -> None:
    drawer = SmallVae(fake_vae(lambda own: torch.linspace(-1, 1, 384).expand(1, 3, 512, 384)))
    drawing = drawer.draw(torch.zeros(1, 4, 64, 48))
    assert drawing is not None
    preview = drawing.result(timeout=60)
    assert preview is not None and preview.shape == (256, 192, 3)
    assert preview[0, 0, 0] < 5 and preview[0, -1, 0] > 250
    drawer.close()


def test_no_room_for_a_preview_costs_the_preview_alone(caplog: pytest.LogCaptureFixture) -> None:
    def full(own: Any) -> Any:
        raise torch.OutOfMemoryError("CUDA out of memory")

    drawer = SmallVae(fake_vae(full))
    for _ in range(3):
        drawing = drawer.draw(torch.zeros(1, 4, 8, 8))
        assert drawing is not None
        assert drawing.result(timeout=60) is None
    assert caplog.text.count("a preview could not be drawn") == 1
    drawer.close()


class Slow:
    """Decode nothing until `may` is set."""

    def __init__(self) -> None:
        self.begun, self.may = threading.Event(), threading.Event()
        self.decoded = 0

    def __call__(self, own: Any) -> Any:
        self.begun.set()
        assert self.may.wait(timeout=60)
        self.decoded += 1
        return torch.zeros(1, 3, 8, 8)


@pytest.fixture
def slow() -> Iterator[Slow]:
    decoder = Slow()
    yield decoder
    decoder.may.set()


def test_the_model_goes_on_while_a_preview_is_drawn(tiny_sd1: Path, slow: Slow) -> None:
    made = loaded(tiny_sd1)
    plain = paint(made, requested(num_inference_steps=5))
    made._drawer = SmallVae(fake_vae(slow))
    first, second = (made.begin(requested(num_inference_steps=5)) for _ in range(2))
    drawings: dict[DiffusionPainting, list[Any]] = {first: [], second: []}
    for painting in drawings:
        painting.preview_steps = frozenset({1, 2, 3, 4})
        while painting.done < painting.steps:
            made.step([painting])
            drawings[painting].append(painting.preview)
            painting.preview = None
        assert np.array_equal(made.decode([painting])[0], plain)
    assert slow.begun.wait(timeout=60) and slow.decoded == 0
    for shown in drawings.values():
        assert [isinstance(preview, Future) for preview in shown] == [True] + [False] * 5, "dropped"
    slow.may.set()
    assert all(shown[0].result(timeout=60) is not None for shown in drawings.values())


def test_beyond_so_many_that_wait_more_are_dropped(slow: Slow) -> None:
    drawer = SmallVae(fake_vae(slow))
    latents = torch.zeros(1, 4, 8, 8)
    drawings = [drawer.draw(latents) for _ in range(MOST_WAITING)]
    assert None not in drawings
    assert drawer.draw(latents) is None
    last = drawings[-1]
    assert last is not None and last.cancel()
    again = drawer.draw(latents)
    assert again is not None, "a cancelled drawing makes room"
    slow.may.set()
    assert again.result(timeout=60) is not None
    assert slow.decoded == MOST_WAITING
    drawer.close()


async def test_a_slow_preview_does_not_hold_up_the_engine(
    tiny_sd1: Path, make_job: MakeJob, slow: Slow
) -> None:
    made = Denoiser(ModelConfig(str(tiny_sd1), device="cpu", threads=1))
    engine = engine_of(made)
    made._drawer = SmallVae(fake_vae(slow))
    jobs = [make_job(seed=seed, previews=2, no_store=True) for seed in (1, 2)]

    async def events(job: LayerJob) -> list[Any]:
        return [event async for event in engine.submit(job, "a red knight", "")]

    for message in await asyncio.gather(*map(events, jobs)):
        assert isinstance(message[-1], LayerResult)
        assert [event.step for event in message[:-1]] == [1, 2, 3, 4, 5]
        assert all(isinstance(event, StepEvent) and event.preview is None for event in message[:-1])
    assert slow.begun.wait(timeout=60) and slow.decoded == 0


async def test_its_previews_come_with_the_steps_that_they_are_of(
    beside: Path, make_job: MakeJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = Denoiser(ModelConfig(str(beside), device="cpu", threads=1))
    engine, step = engine_of(made), made.step

    def patient(paintings: Sequence[DiffusionPainting]) -> None:
        """Wait for each picture, so that none is dropped."""
        step(paintings)
        for painting in paintings:
            if isinstance(painting.drawn, Future):
                painting.drawn.result(timeout=60)

    monkeypatch.setattr(made, "step", patient)
    message = [event async for event in engine.submit(make_job(previews=2), "a red knight", "")]
    shown = {event.step: event.preview for event in message if isinstance(event, StepEvent) and event.preview}
    assert list(shown) == [2, 3]
    assert all(Image.open(BytesIO(preview)).size == (64, 96) for preview in shown.values())


def test_other_channels_are_refused(tiny_sd1: Path, tmp_path: Path) -> None:
    other = tiny_vae(tmp_path / "taef1", latent_channels=16)
    assert refusal(tiny_sd1, preview_vae=str(other)) == (
        "the preview VAE taef1 is for latents of 16 channels, but the model's have 4"
    )


def without(name: str) -> Callable[[Path], None]:
    return lambda folder: (folder / name).unlink()


def cut_short(folder: Path) -> None:
    file = folder / "diffusion_pytorch_model.safetensors"
    file.write_bytes(file.read_bytes()[:-8])


def pickled(folder: Path) -> None:
    (folder / "diffusion_pytorch_model.safetensors").rename(folder / "diffusion_pytorch_model.bin")


def of_another_kind(folder: Path) -> None:
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"_class_name": "AutoencoderKL"}))


def of_more_blocks(folder: Path) -> None:
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"num_decoder_blocks": [2, 2, 2, 2]}))


def other_sums(folder: Path) -> None:
    (folder / "SHA256SUMS").write_text(f"{'0' * 64}  config.json\n")


@pytest.mark.parametrize(
    ("harm", "message"),
    [
        (without("config.json"), "{name} has no configuration file"),
        (without("diffusion_pytorch_model.safetensors"), "{name} has no .safetensors file"),
        (cut_short, "{name}/diffusion_pytorch_model.safetensors is cut short"),
        (pickled, "{name}/diffusion_pytorch_model.bin is a pickle"),
        (of_another_kind, "the preview VAE {name} is not an AutoencoderTiny"),
        (of_more_blocks, "the preview VAE {name} lacks"),
        (other_sums, "{name}/config.json does not match its checksum"),
    ],
)
@pytest.mark.parametrize("named", [False, True])
def test_a_broken_one_is_refused_by_name(
    beside: Path, tiny_sd1: Path, tmp_path: Path, harm: Any, message: str, named: bool
) -> None:
    if named:
        harm(tiny_vae(tmp_path / "taesd"))
        said, name = refusal(tiny_sd1, preview_vae=str(tmp_path / "taesd")), "taesd"
    else:
        harm(beside / "preview_vae")
        said, name = refusal(beside), "knights/preview_vae"
    assert said.startswith(message.format(name=name))


@pytest.mark.parametrize("source", ["/no/such/taesd", "taesd", "../a/taesd"])
def test_one_that_is_nowhere(tiny_sd1: Path, source: str) -> None:
    message = refusal(tiny_sd1, preview_vae=source)
    assert message == "the preview VAE taesd is neither a local folder nor one on the hub"


@pytest.mark.parametrize("offline", [False, True])
def test_what_the_hub_is_requested(tiny_sd1: Path, monkeypatch: pytest.MonkeyPatch, offline: bool) -> None:
    calls: list[tuple[str, dict[str, Any]]] = []

    def load_config(source: str, **arguments: Any) -> dict[str, str]:
        calls.append((source, arguments))
        return {"_class_name": "AutoencoderTiny"}

    def from_pretrained(source: str, **arguments: Any) -> None:
        calls.append((source, arguments))
        raise OSError("not fetched in a test")

    monkeypatch.setenv("HF_HUB_OFFLINE", "1" if offline else "")
    monkeypatch.setattr(AutoencoderTiny, "load_config", load_config)
    monkeypatch.setattr(AutoencoderTiny, "from_pretrained", from_pretrained)
    message = refusal(tiny_sd1, preview_vae="madebyollin/taesd")
    assert message == (
        "the preview VAE madebyollin/taesd could not be loaded: "
        "one of its files is missing or cannot be read: not fetched in a test"
    )
    safely = {"dtype": torch.float32, "use_safetensors": True, "trust_remote_code": False}
    assert calls == [
        ("madebyollin/taesd", {"local_files_only": offline}),
        ("madebyollin/taesd", {"local_files_only": offline, "output_loading_info": True, **safely}),
    ]
