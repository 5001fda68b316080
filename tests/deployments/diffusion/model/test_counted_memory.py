from __future__ import annotations

import json
import struct
from pathlib import Path

import pytest

from deployments.diffusion.model.counted_memory import counted_memory_gb
from deployments.diffusion.model.registry import describe


def weights(file: Path, **tensors: tuple[int, ...]) -> None:
    """Write a sparse file with these tensors: zeros in half precision."""
    entries, end = {}, 0
    for name, shape in tensors.items():
        size = 2 * shape[0] * shape[1]
        entries[name] = {"dtype": "F16", "shape": shape, "data_offsets": [end, end + size]}
        end += size
    header = json.dumps(entries).encode()
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("wb") as stream:
        stream.write(struct.pack("<Q", len(header)) + header)
        stream.truncate(8 + len(header) + end)


BILLION = (100_000, 10_000)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for shard in (1, 2):
        name = f"diffusion_pytorch_model-0000{shard}-of-00002.safetensors"
        weights(tmp_path / "transformer" / name, **{f"w{shard}": BILLION})
    weights(tmp_path / "vae" / "diffusion_pytorch_model.safetensors", v=(10_000, 10_000))
    weights(tmp_path / "vae" / "diffusion_pytorch_model.fp16.safetensors", v=(10_000, 10_000))
    weights(tmp_path / "safety_checker" / "model.safetensors", s=BILLION)
    return tmp_path


def test_a_folder_is_counted_in_half_precision(folder: Path) -> None:
    assert counted_memory_gb(folder) == (6.0, 6.2)
    assert describe(str(folder)).memory_gb == (6.0, 6.2)


def test_a_single_file_is_counted_by_its_networks(tmp_path: Path) -> None:
    file = tmp_path / "tune.safetensors"
    named = {
        "model.diffusion_model.w": BILLION,
        "first_stage_model.v": (10_000, 10_000),
        "model_ema.w": BILLION,
    }
    weights(file, **named)
    assert counted_memory_gb(file) == (4.0, 4.2)


def test_what_cannot_be_read_is_not_guessed(folder: Path, tmp_path: Path) -> None:
    (folder / "transformer" / "diffusion_pytorch_model-00002-of-00002.safetensors").unlink()
    assert counted_memory_gb(folder) is None
    (folder / "vae" / "diffusion_pytorch_model.fp16.safetensors").write_bytes(b"torn")
    assert counted_memory_gb(folder) is None
    empty = tmp_path / "empty"
    empty.mkdir()
    assert counted_memory_gb(empty) is None
    assert counted_memory_gb(tmp_path / "nothing") is None
