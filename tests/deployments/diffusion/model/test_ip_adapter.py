"""IP-Adapter references: with any peers a picture equals its stock pipeline's; each is encoded once."""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import diffusers
import numpy as np
import pytest
import safetensors.torch
import torch
from PIL import Image

from deployments.diffusion.guide_pictures import References
from deployments.diffusion.model import ip_adapter as module
from deployments.diffusion.model.family import Task
from deployments.diffusion.model.loader import load
from deployments.diffusion.model.model_config import IpAdapterConfig, ModelConfig
from deployments.diffusion.model.pipeline_copy import over_the_networks_of
from deployments.diffusion.model.pipeline_painter import PipelinePainter
from deployments.diffusion.painter import PaintRequest
from deployments.errors import ModelUnusable, NotReady, UnsupportedTask
from tests.support.tiny_guides import save_adapter, save_image_encoder
from tests.support.together import LEFT, MASKED, TEXT, VARIED, together

CLOSE, APART = 1e-5, 1e-3
DICE = np.random.default_rng(4)
PICTURES = {
    name: DICE.integers(0, 255, (high, wide, 3)).astype(np.uint8)
    for name, high, wide in (("a", 40, 30), ("b", 64, 64), ("c", 28, 50), ("d", 90, 31))
}
Folder = Callable[[str], Path]


def alike(names: str, scale: float = 0.6) -> References:
    return References(names=tuple(names), scale=scale, pixels=tuple(PICTURES[name] for name in names))


@pytest.fixture(scope="module")
def beside(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Folder:
    """Return the folder of a model's adapters and their image encoder, made once per model."""

    @cache
    def made(name: str) -> Path:
        folder = tmp_path_factory.mktemp("beside")
        save_image_encoder(folder / "encoder")
        for plus in (False, True):
            save_adapter(request.getfixturevalue(name), folder / f"adapter-{plus}.safetensors", plus)
        return folder

    return made


def config_of(model: Path, beside: Path, plus: bool = False, **changes: Any) -> ModelConfig:
    adapter = IpAdapterConfig(str(beside / f"adapter-{plus}.safetensors"), str(beside / "encoder"))
    return ModelConfig(str(model), device="cpu", threads=1, ip_adapter=adapter, **changes)


@cache
def painter_for(model: Path, beside: Path, plus: bool = False, **changes: Any) -> PipelinePainter:
    made = PipelinePainter(config_of(model, beside, plus, **changes))
    made.load()
    return made


@cache
def stock_of(model: Path, beside: Path, plus: bool) -> Any:
    pipeline = load(ModelConfig(str(model), device="cpu", threads=1))
    pipeline.load_ip_adapter(
        str(beside), subfolder="", weight_name=f"adapter-{plus}.safetensors", image_encoder_folder="encoder"
    )
    return pipeline


TASKS: dict[type[Any], dict[Task, Any]] = {
    diffusers.StableDiffusionPipeline: {
        "image_to_image": diffusers.StableDiffusionImg2ImgPipeline,
        "inpainting": diffusers.StableDiffusionInpaintPipeline,
    },
    diffusers.StableDiffusionXLPipeline: {
        "image_to_image": diffusers.StableDiffusionXLImg2ImgPipeline,
        "inpainting": diffusers.StableDiffusionXLInpaintPipeline,
    },
}


def stock(pipeline: Any, request: PaintRequest, plain: Any) -> Any:
    """Call it as its documentation does; without references, call `plain`, without an adapter."""
    references, more = request.references, dict[str, Any]()
    if references is not None:
        pipeline.set_ip_adapter_scale(references.scale)
        more["ip_adapter_image"] = [[Image.fromarray(pixels) for pixels in references.pixels]]
    else:
        pipeline = plain
    if request.start is not None:
        task: Task = "image_to_image" if request.start.mask is None else "inpainting"
        pipeline = over_the_networks_of(pipeline, TASKS[type(pipeline)][task])
        more |= {**request.start.images(), "strength": request.start.strength}
    pipeline.set_progress_bar_config(disable=True)
    sides = {"width": request.width_px, "height": request.height_px}
    taken = inspect.signature(type(pipeline).__call__).parameters
    more |= {side: value for side, value in sides.items() if side in taken}
    made = pipeline(
        request.prompt,
        num_inference_steps=request.num_inference_steps,
        guidance_scale=request.guidance_scale,
        generator=torch.Generator("cpu").manual_seed(request.seed),
        output_type="np",
        **more,
    )
    return made.images[0]


MIXED = [
    TEXT,
    replace(TEXT, seed=12, references=alike("a")),
    replace(TEXT, seed=13, num_inference_steps=5, references=alike("bcd", 0.9)),
    replace(TEXT, seed=14, references=alike("d", 0.0)),
    replace(TEXT, seed=15, num_inference_steps=6, references=alike("ab"), start=VARIED),
    replace(TEXT, seed=16, num_inference_steps=5, references=alike("abcd", 1.5), start=MASKED),
]


@pytest.mark.parametrize(
    ("name", "plus"), [("tiny_sd1", False), ("tiny_sd1", True), ("tiny_sd2", False), ("tiny_sdxl", True)]
)
def test_each_is_its_stock_pipelines_picture_in_mixed_company(
    name: str, plus: bool, request: pytest.FixtureRequest, beside: Folder
) -> None:
    model, folder = request.getfixturevalue(name), beside(name)
    painter = painter_for(model, folder, plus)
    paintings, rows = together(painter, dict(enumerate(MIXED)))
    assert max(rows) >= 2 * len(MIXED) - 4, "pictures with and without references share forwards"
    pipeline, plain = stock_of(model, folder, plus), load(ModelConfig(str(model), device="cpu"))
    for asked, painting in zip(MIXED, paintings, strict=True):
        pixels = painter.decode([painting])[0]
        own = painting.run.output.images[0]
        assert np.abs(own - stock(pipeline, asked, plain)).max() < CLOSE, asked
        if asked.references is not None and asked.references.scale and asked.start is None:
            without = stock(pipeline, replace(asked, references=None), plain)
            assert np.abs(own - without).max() > APART, "the references have an effect"
        if asked.start is MASKED:
            kept = MASKED.pasted_into(pixels)
            assert MASKED.pixels is not None and (kept[~LEFT] == MASKED.pixels[~LEFT]).all()


def test_unguided_pictures_and_steps_are_as_they_are_alone(tiny_sd1: Path, beside: Folder) -> None:
    folder = beside("tiny_sd1")
    painter = painter_for(tiny_sd1, folder)
    unguided = replace(TEXT, guidance_scale=1.0, references=alike("ab"))
    in_part = replace(TEXT, guidance_interval=(0.3, 0.8), references=alike("c"))
    alone = [painter.decode(together(painter, {0: each})[0])[0] for each in (unguided, in_part)]
    plain = load(ModelConfig(str(tiny_sd1), device="cpu"))
    expected = stock(stock_of(tiny_sd1, folder, False), unguided, plain)
    assert np.abs(alone[0] - 255 * expected).max() <= 1
    paintings, _ = together(painter, {0: unguided, 1: in_part, 2: TEXT})
    mixed = [painter.decode([painting])[0] for painting in paintings[:2]]
    for one, other in zip(alone, mixed, strict=True):
        assert np.abs(one.astype(int) - other.astype(int)).max() <= 1


@pytest.mark.parametrize("saving", [{"attention_slicing": True}, {"exact": True}])
def test_they_go_with_savings_of_memory_and_with_exactness(
    tiny_sd1: Path, beside: Folder, saving: dict[str, Any]
) -> None:
    folder = beside("tiny_sd1")
    painter, asked = painter_for(tiny_sd1, folder, **saving), replace(TEXT, references=alike("ab"))
    (alone,), _ = together(painter, {0: asked})
    pixels = painter.decode([alone])[0]
    plain = load(ModelConfig(str(tiny_sd1), device="cpu"))
    assert (
        np.abs(alone.run.output.images[0] - stock(stock_of(tiny_sd1, folder, False), asked, plain)).max()
        < CLOSE
    )
    others = {0: asked, 1: replace(TEXT, references=alike("cd")), 2: TEXT}
    paintings, _ = together(painter, others)
    mixed = painter.decode([paintings[0]])[0]
    assert (mixed == pixels).all() if "exact" in saving else np.abs(mixed - pixels.astype(int)).max() <= 1


def test_a_picture_is_encoded_once_while_it_is_kept(
    tiny_sd1: Path, beside: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = config_of(tiny_sd1, beside("tiny_sd1"))
    assert config.ip_adapter is not None
    painter = PipelinePainter(replace(config, ip_adapter=replace(config.ip_adapter, cached_pictures=2)))
    painter.load()
    adapter = painter._ip_adapter
    assert adapter is not None
    encoded: list[Any] = []
    adapter.image_encoder.register_forward_hook(lambda *call: encoded.append(call))

    def counted(names: str) -> int:
        encoded.clear()
        painter.begin(replace(TEXT, references=alike(names))).close()
        return len(encoded)

    assert [counted(names) for names in ("a", "a", "ab", "ba", "c", "c", "b")] == [1, 0, 1, 0, 1, 0, 1]
    assert len(adapter._embeddings) == 2, "the cache keeps no more than its limit"
    painter.unload()


def test_a_model_without_an_adapter_refuses_references(tiny_sd1: Path) -> None:
    painter = PipelinePainter(ModelConfig(str(tiny_sd1), device="cpu", threads=1))
    painter.load()
    with pytest.raises(UnsupportedTask, match="references"):
        painter.begin(replace(TEXT, references=alike("a")))


def test_a_changed_adapter_is_another_fingerprint(tiny_sd1: Path, tmp_path: Path) -> None:
    save_image_encoder(tmp_path / "encoder")
    file = save_adapter(tiny_sd1, tmp_path / "adapter-False.safetensors")
    painter = PipelinePainter(config_of(tiny_sd1, tmp_path))
    painter.load()
    before = painter.fingerprint
    painter.unload()
    weights = safetensors.torch.load_file(file)
    safetensors.torch.save_file({name: 2 * weight for name, weight in weights.items()}, file)
    painter.load()
    assert painter.fingerprint != before
    painter.unload()


def misfit(name: str) -> Callable[[dict[str, torch.Tensor]], dict[str, torch.Tensor]]:
    def changed(weights: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        return {
            "lora": {"lora.down.weight": torch.ones(2, 2)},
            "face": {
                **{key: value for key, value in weights.items() if not key.startswith("image_proj.proj")},
                "image_proj.proj.0.weight": torch.ones(2, 2),
            },
            "fewer": {key: value for key, value in weights.items() if ".1.to_" not in key},
            "more": {**weights, "ip_adapter.99.to_k_ip.weight": torch.ones(2, 2)},
            "wider": {
                key: torch.cat([value, value], -1) if "_ip." in key else value
                for key, value in weights.items()
            },
        }[name]

    return changed


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("lora", "is not an IP-Adapter"),
        ("face", "does not read pictures"),
        ("fewer", "does not fit the model"),
        ("more", "does not fit the model"),
        ("wider", "has shape"),
    ],
)
def test_an_adapter_that_cannot_be_used_is_named(
    name: str, said: str, tiny_sd1: Path, beside: Folder, tmp_path: Path
) -> None:
    weights = safetensors.torch.load_file(beside("tiny_sd1") / "adapter-False.safetensors")
    file = tmp_path / "mine.safetensors"
    safetensors.torch.save_file(misfit(name)(weights), file)
    adapter = IpAdapterConfig(str(file), str(beside("tiny_sd1") / "encoder"))
    with pytest.raises(ModelUnusable, match=said) as caught:
        PipelinePainter(ModelConfig(str(tiny_sd1), device="cpu", ip_adapter=adapter)).load()
    assert str(caught.value).startswith("the IP-Adapter mine.safetensors")
    assert str(tmp_path) not in str(caught.value)


def test_an_encoder_that_cannot_be_used_is_named(tiny_sd1: Path, beside: Folder, tmp_path: Path) -> None:
    file = str(beside("tiny_sd1") / "adapter-False.safetensors")
    other = save_image_encoder(tmp_path / "other", embedded=24)
    text = tiny_sd1 / "text_encoder"
    broken = save_image_encoder(tmp_path / "broken")
    (broken / "model.safetensors").unlink()
    no_json = save_image_encoder(tmp_path / "no_json")
    (no_json / "config.json").write_text(json.dumps([]))
    for source, kind, said in (
        (other, ModelUnusable, "configured image encoder"),
        (text, ModelUnusable, "is not a CLIPVisionModelWithProjection"),
        (broken, NotReady, "has no .safetensors file"),
        (no_json, ModelUnusable, "is not a JSON object"),
        (tmp_path / "nowhere", NotReady, "neither a local folder nor one on the hub"),
    ):
        config = ModelConfig(str(tiny_sd1), device="cpu", ip_adapter=IpAdapterConfig(file, str(source)))
        with pytest.raises(kind, match=said) as caught:
            PipelinePainter(config).load()
        assert str(tmp_path) not in str(caught.value)


def test_a_file_that_is_none_is_named(tiny_sd1: Path, beside: Folder, tmp_path: Path) -> None:
    pickle = tmp_path / "adapter.bin"
    pickle.write_bytes(b"no")
    for source, said in (
        (pickle, "is a pickle"),
        (tmp_path / "nowhere.safetensors", "neither a local file nor one on the hub"),
        (tmp_path, "neither a local file nor one on the hub"),
    ):
        adapter = IpAdapterConfig(str(source), str(beside("tiny_sd1") / "encoder"))
        with pytest.raises(NotReady, match=said):
            PipelinePainter(ModelConfig(str(tiny_sd1), device="cpu", ip_adapter=adapter)).load()


def test_a_family_without_adapters_says_so(
    tiny_model: Callable[[str], Path], beside: Folder, tiny_sd1: Path
) -> None:
    config = replace(config_of(tiny_model("sana"), beside("tiny_sd1")), family="sana")
    with pytest.raises(ModelUnusable, match="Sana does not support IP-Adapters"):
        PipelinePainter(config).load()


def test_settings_that_contradict_it_are_refused() -> None:
    adapter = IpAdapterConfig("a", "b")
    for changes in ({"painter": "denoiser"}, {"offload": "sequential"}, {"compile": True}):
        with pytest.raises(ValueError, match="ip_adapter"):
            ModelConfig("m", ip_adapter=adapter, **changes)  # type: ignore[arg-type]


def test_a_source_on_the_hub_is_fetched_by_its_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tiny_sd1: Path
) -> None:
    """The test's hub is a folder."""
    save_image_encoder(tmp_path / "models/image_encoder")
    save_adapter(tiny_sd1, tmp_path / "models/adapter.safetensors")
    asked: list[Any] = []

    def file(repository: str, path: str, **options: Any) -> str:
        asked.append((repository, path))
        return str(tmp_path / path)

    def snapshot(repository: str, allow_patterns: list[str], **options: Any) -> str:
        asked.append((repository, allow_patterns[0]))
        return str(tmp_path)

    networks = module.read_network.__module__
    monkeypatch.setattr(f"{networks}.hf_hub_download", file)
    monkeypatch.setattr(f"{networks}.snapshot_download", snapshot)
    adapter = IpAdapterConfig("some/one/models/adapter.safetensors", "some/one/models/image_encoder")
    painter = PipelinePainter(ModelConfig(str(tiny_sd1), device="cpu", ip_adapter=adapter))
    painter.load()
    assert asked == [
        ("some/one", "models/adapter.safetensors"),
        ("some/one", "models/image_encoder/*.json"),
    ]
    painter.unload()
