"""Load networks that compare figures: tiny random ones of both families, from folders."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from deployments.imaging.consistency.embedder import ConsistencyConfig, Embedder
from deployments.imaging.consistency.figure_view import view_of
from deployments.imaging.consistency.measure import ConsistencyMeasure
from deployments.imaging.cutout.matting import cut_out

SIZE = 32


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Return the folders of a CLIP, of a CLIP vision tower alone, and of a DINO."""
    import torch
    import transformers

    torch.manual_seed(3)
    shape: dict[str, Any] = {
        "hidden_size": 16,
        "intermediate_size": 32,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "image_size": SIZE,
        "patch_size": 8,
    }
    text = {name: value for name, value in shape.items() if name not in ("image_size", "patch_size")}
    clip = transformers.CLIPConfig(
        text_config={**text, "vocab_size": 99, "max_position_embeddings": 8},
        vision_config=shape,
        projection_dim=12,
    )
    dino = transformers.Dinov2Config(**{**shape, "mlp_ratio": 2})
    models: dict[str, Any] = {
        "clip": transformers.CLIPModel(clip),
        "clip-vision": transformers.CLIPVisionModel(clip.vision_config),
        "dino": transformers.Dinov2Model(dino),
    }
    made = {}
    for name, model in models.items():
        made[name] = folder = tmp_path_factory.mktemp(name)
        model.save_pretrained(folder)
        side = {"height": SIZE, "width": SIZE}
        kind = (
            transformers.CLIPImageProcessorPil
            if name.startswith("clip")
            else transformers.BitImageProcessorPil
        )
        kind(size=side, crop_size=side).save_pretrained(folder)
    return made


def figure(color: tuple[int, int, int], wide: int = 40) -> Any:
    pixels = np.zeros((120, 90, 4), np.uint8)
    pixels[10:110, 45 - wide // 2 : 45 + wide // 2] = (*color, 255)
    return cut_out(pixels)


@pytest.mark.parametrize("name", ["clip", "clip-vision", "dino"])
def test_a_figure_is_embedded_and_is_itself(folders: dict[str, Path], name: str) -> None:
    embedder = Embedder(ConsistencyConfig(str(folders[name])))
    red, blue = (embedder.embed(view_of(figure(color))) for color in ((200, 30, 30), (30, 30, 200)))
    assert red.dtype == np.float32 and np.linalg.norm(red) == pytest.approx(1, abs=1e-4)
    assert embedder.similarity(red, red) == pytest.approx(1, abs=1e-4)
    assert 0 <= embedder.similarity(red, blue) < embedder.similarity(red, red)
    assert (embedder.embed(view_of(figure((200, 30, 30)))) == red).all()


def test_it_and_the_colours_count_both(folders: dict[str, Path]) -> None:
    plain = ConsistencyMeasure()
    seeing = ConsistencyMeasure(ConsistencyConfig(str(folders["dino"]), unlike_cosine=0.2))
    red, wide = figure((200, 30, 30)), figure((200, 60, 30), 60)
    alone = plain.compare(plain.describe(red), plain.describe(wide))
    ours, theirs = seeing.describe(red), seeing.describe(wide)
    assert ours.embedding is not None and theirs.embedding is not None
    cosine = float(ours.embedding @ theirs.embedding)
    expected = np.sqrt(alone * np.clip((cosine - 0.2) / 0.8, 0, 1))
    assert seeing.compare(ours, theirs) == pytest.approx(expected, abs=1e-5)
    assert seeing.compare(ours, ours) == pytest.approx(1, abs=1e-4)


@pytest.mark.parametrize("name", ["none", "empty", "broken", "text", "pickle"])
def test_a_folder_without_a_network_is_refused_in_a_sentence(tmp_path: Path, name: str) -> None:
    folder = tmp_path / name
    if name != "none":
        folder.mkdir()
    if name == "broken":
        (folder / "config.json").write_text("{")
    if name == "text":
        (folder / "config.json").write_text('{"model_type": "bert"}')
    if name == "pickle":
        (folder / "config.json").write_text('{"model_type": "dinov2"}')
        (folder / "preprocessor_config.json").write_text('{"image_processor_type": "BitImageProcessor"}')
        (folder / "pytorch_model.bin").write_bytes(b"a pickle")
    with pytest.raises(ValueError, match=r"^consistency\.embedder: "):
        Embedder(ConsistencyConfig(str(folder)))
