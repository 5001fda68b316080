from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from deployments.diffusion.model import registry
from deployments.diffusion.model.families import family_named
from deployments.diffusion.model.patch_autoencoder import PatchAutoencoder
from deployments.diffusion.model.registry import (
    KNOWN_MODELS,
    ModelCard,
    bundled_model,
    describe,
    locate,
)
from deployments.errors import NotReady

REPOSITORY = Path(__file__).parents[4]
SD_ATTRIBUTION = (
    "Generated using Stable Diffusion model by Stability AI / Licensed under CreativeML Open RAIL License"
)


@pytest.mark.parametrize(
    "source", ["stable-diffusion-v1-5/stable-diffusion-v1-5", "runwayml/stable-diffusion-v1-5"]
)
def test_stable_diffusion_1_5_by_its_name_and_the_one_it_once_had(source: str) -> None:
    assert describe(source) == ModelCard(
        id="stable-diffusion-v1-5/stable-diffusion-v1-5",
        aliases=("runwayml/stable-diffusion-v1-5",),
        kind="any",
        pipeline="StableDiffusionPipeline",
        licence="CreativeML Open RAIL-M",
        attribution=SD_ATTRIBUTION,
        attribution_mark="Generated with Stable Diffusion",
        commercial_use="with restrictions",
        native_size=(512, 512),
        memory_gb=(4.0, 6.0),
        latent_factor=8,
        family=family_named("sd1"),
    )


@pytest.mark.parametrize(
    ("source", "pipeline", "native_size", "memory_gb"),
    [
        ("stabilityai/stable-diffusion-2-1", "StableDiffusionPipeline", (768, 768), (5.0, 7.0)),
        ("stabilityai/stable-diffusion-xl-base-1.0", "StableDiffusionXLPipeline", (1024, 1024), (8.0, 10.0)),
    ],
)
def test_the_later_stable_diffusions(
    source: str, pipeline: str, native_size: tuple[int, int], memory_gb: tuple[float, float]
) -> None:
    card = describe(source)
    assert (card.id, card.pipeline, card.native_size, card.memory_gb) == (
        source,
        pipeline,
        native_size,
        memory_gb,
    )
    assert card.licence == "CreativeML Open RAIL++-M"
    assert card.attribution == SD_ATTRIBUTION
    assert card.attribution_mark == "Generated with Stable Diffusion"
    assert card.commercial_use == "with restrictions"


@pytest.mark.parametrize(
    ("name", "kind", "native_size", "latent_factor"),
    [
        ("storybook-character", "character", (384, 512), 32),
        ("storybook-background", "background", (512, 384), 32),
    ],
)
def test_the_bundled_models_by_name_and_by_folder(
    name: str, kind: str, native_size: tuple[int, int], latent_factor: int
) -> None:
    folder = REPOSITORY / "models" / name
    assert bundled_model(name) == locate(name) == folder
    card = describe(name)
    assert card == describe(str(folder))
    assert (card.id, card.kind, card.native_size, card.latent_factor) == (
        name,
        kind,
        native_size,
        latent_factor,
    )
    vae = PatchAutoencoder.from_config(PatchAutoencoder.load_config(folder / "vae"))
    assert vae.decode(torch.zeros(1, vae.config.latent_channels, 2, 2)).sample.shape[-1] == 2 * latent_factor
    assert card.licence == "Apache-2.0"
    assert card.attribution == card.attribution_mark == "Painted by the Scenewright storybook models"
    assert card.commercial_use == "yes"


def test_only_the_two_are_bundled() -> None:
    assert [card.id for card in KNOWN_MODELS if card.bundled] == [
        "storybook-character",
        "storybook-background",
    ]
    with pytest.raises(NotReady, match=r"no bundled model called ../secrets"):
        bundled_model("../secrets")


def test_a_fine_tune_in_a_folder_is_read_from_its_files(tmp_path: Path) -> None:
    folder = tmp_path / "my-dragons"
    for part, content in {
        "model_index.json": {"_class_name": "StableDiffusionPipeline"},
        "vae/config.json": {"block_out_channels": [8, 8, 8, 8, 8]},
        "unet/config.json": {"sample_size": [24, 32]},
    }.items():
        (folder / part).parent.mkdir(parents=True, exist_ok=True)
        (folder / part).write_text(json.dumps(content))
    assert describe(str(folder)) == ModelCard(
        id="my-dragons",
        kind="any",
        pipeline="StableDiffusionPipeline",
        licence="unknown: see the model's own card",
        attribution="Generated with my-dragons",
        attribution_mark="Generated with my-dragons",
        commercial_use="unknown: see the model's own card",
        native_size=(512, 384),
        latent_factor=16,
        family=family_named("sd1"),
    )


def test_an_unknown_hub_id_and_an_empty_folder_get_a_card_too(tmp_path: Path) -> None:
    card = describe("someone/dragons-xl")
    assert (card.id, card.pipeline, card.native_size, card.latent_factor) == (
        "someone/dragons-xl",
        "unknown",
        (512, 512),
        8,
    )
    assert card.licence == "unknown: see the model's own card"
    assert describe(str(tmp_path)).id == tmp_path.name


def test_a_single_file_is_recognised_by_its_tensors(tmp_path: Path) -> None:
    header = json.dumps(
        {"conditioner.embedders.1.model.x": {"dtype": "F32", "shape": [], "data_offsets": [0, 4]}}
    )
    file = tmp_path / "dragons-xl.safetensors"
    file.write_bytes(len(header).to_bytes(8, "little") + header.encode() + bytes(4))
    card = describe(str(file))
    assert (card.id, card.pipeline, card.native_size) == (
        "dragons-xl",
        "StableDiffusionXLPipeline",
        (1024, 1024),
    )
    file.write_bytes(b"torn")
    assert describe(str(file)).pipeline == "unknown"


def test_neither_the_registry_nor_the_file_checks_import_torch() -> None:
    program = "import sys, deployments.diffusion.model.registry; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], cwd=REPOSITORY, check=False).returncode == 0


def test_a_custom_models_files_are_read_once_and_again_when_they_have_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A card is looked up several times per request."""
    read: list[Path] = []
    read_json = registry._read_json

    def noted(file: Path) -> dict[str, Any]:
        read.append(file)
        return read_json(file)

    monkeypatch.setattr(registry, "_read_json", noted)
    index = tmp_path / "model_index.json"
    index.write_text('{"_class_name": "One"}')
    assert {describe(str(tmp_path)).pipeline for _ in range(5)} == {"One"}
    assert len(read) == len({*read})
    index.write_text('{"_class_name": "Another"}')
    assert describe(str(tmp_path)).pipeline == "Another"
    (tmp_path / "vae").mkdir()
    (tmp_path / "vae/config.json").write_text('{"block_out_channels": [1, 2, 3]}')
    assert describe(str(tmp_path)).latent_factor == 4
