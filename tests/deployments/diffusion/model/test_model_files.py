from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from deployments.diffusion.model import checkpoint
from deployments.diffusion.model.model_files import (
    check_model_files,
    check_single_file,
    fingerprint,
    read_header,
)
from deployments.errors import NotReady

WEIGHTS = "unet/diffusion_pytorch_model.safetensors"


@pytest.fixture
def model(tiny_sd1: Path, tmp_path: Path) -> Path:
    """Return a copy that a test may damage."""
    return Path(shutil.copytree(tiny_sd1, tmp_path / "my-model"))


def complaint(folder: Path) -> str:
    with pytest.raises(NotReady) as raised:
        check_model_files(folder)
    assert str(folder.parent) not in raised.value.message
    return raised.value.message


@pytest.mark.parametrize("family", ["tiny_sd1", "tiny_sd2", "tiny_sdxl"])
def test_a_whole_model_passes(family: str, request: pytest.FixtureRequest) -> None:
    check_model_files(request.getfixturevalue(family))


@pytest.mark.parametrize(
    ("gone", "message"),
    [
        ("model_index.json", "my-model/model_index.json is missing or cannot be read"),
        ("vae", "my-model/vae is missing"),
        ("text_encoder/config.json", "my-model/text_encoder has no configuration file"),
        ("scheduler/scheduler_config.json", "my-model/scheduler has no configuration file"),
        (WEIGHTS, "my-model/unet has no .safetensors file"),
    ],
)
def test_what_is_missing_is_named(model: Path, gone: str, message: str) -> None:
    path = model / gone
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    assert complaint(model) == message


def test_a_missing_folder(tmp_path: Path) -> None:
    assert complaint(tmp_path / "nothing") == "nothing/model_index.json is missing or cannot be read"


def test_an_absent_safety_checker_is_not_missed(model: Path) -> None:
    index = json.loads((model / "model_index.json").read_text())
    index["safety_checker"] = ["stable_diffusion", "StableDiffusionSafetyChecker"]
    (model / "model_index.json").write_text(json.dumps(index))
    check_model_files(model)


@pytest.mark.parametrize("name", ["model_index.json", "unet/config.json"])
@pytest.mark.parametrize(("text", "why"), [("{", "is not valid JSON"), ("[]", "is not a JSON object")])
def test_broken_configuration(model: Path, name: str, text: str, why: str) -> None:
    (model / name).write_text(text)
    assert complaint(model) == f"my-model/{name} {why}"


def test_a_pipeline_with_code_of_its_own_is_refused(model: Path) -> None:
    (model / "model_index.json").write_text(json.dumps({"_class_name": ["pipeline", "Mine"]}))
    assert "a model's own code is never run" in complaint(model)


def _cut(data: bytes) -> bytes:
    return data[:-100]


def _grow(data: bytes) -> bytes:
    return data + b"\0"


def _scramble(data: bytes) -> bytes:
    return data[:8] + b"?" + data[9:]


def _promise_too_much(data: bytes) -> bytes:
    return (1 << 60).to_bytes(8, "little") + data[8:]


@pytest.mark.parametrize(
    ("harm", "why"),
    [
        (_cut, "is cut short"),
        (_grow, "is corrupt"),
        (_scramble, "is corrupt: its header cannot be read"),
        (_promise_too_much, "is cut short or not a safetensors file"),
        (lambda _: b"", "is cut short or not a safetensors file"),
        (lambda _: b"\x02" + bytes(7) + b"[]", "is corrupt"),
    ],
)
def test_harmed_weights(model: Path, harm: Callable[[bytes], bytes], why: str) -> None:
    (model / WEIGHTS).write_bytes(harm((model / WEIGHTS).read_bytes()))
    assert complaint(model).startswith(f"my-model/{WEIGHTS} {why}")


def test_pickles_are_refused(model: Path) -> None:
    (model / WEIGHTS).rename(model / "unet/diffusion_pytorch_model.bin")
    assert complaint(model).startswith("my-model/unet/diffusion_pytorch_model.bin is a pickle")


def test_pickles_beside_safetensors_are_never_read_and_do_not_matter(model: Path) -> None:
    (model / "unet/diffusion_pytorch_model.bin").write_bytes(b"anything")
    check_model_files(model)


def test_a_missing_shard(model: Path) -> None:
    index = {"weight_map": {"conv_in.weight": "diffusion_pytorch_model-00002-of-00002.safetensors"}}
    (model / f"{WEIGHTS}.index.json").write_text(json.dumps(index))
    assert complaint(model) == "my-model/unet/diffusion_pytorch_model-00002-of-00002.safetensors is missing"


def test_checksums(model: Path) -> None:
    digest = hashlib.sha256((model / WEIGHTS).read_bytes()).hexdigest()
    sums = model / "SHA256SUMS"
    sums.write_text(f"{digest}  {WEIGHTS}\n\n{digest} *./{WEIGHTS}\n")
    check_model_files(model)
    sums.write_text(f"{'0' * 64}  {WEIGHTS}\n")
    assert complaint(model) == f"my-model/{WEIGHTS} does not match its checksum in SHA256SUMS"
    sums.write_text(f"{digest}  vae/gone.safetensors\n")
    assert complaint(model) == "my-model/vae/gone.safetensors is missing"
    sums.write_text("nonsense\n")
    assert complaint(model) == "my-model/SHA256SUMS is not in the format of sha256sum"


def test_single_files(model: Path, tmp_path: Path) -> None:
    weights = model / WEIGHTS
    check_single_file(weights)
    assert "conv_in.weight" in read_header(weights, weights.name)
    with pytest.raises(NotReady, match="is not a complete Stable Diffusion 1, 2 or XL checkpoint"):
        checkpoint.pipeline_class(check_single_file(weights), weights.name)
    harmed = {"a.ckpt": "is a pickle", "a.txt": "is not a .safetensors file", "a.safetensors": "is missing"}
    for name, why in harmed.items():
        with pytest.raises(NotReady, match=f"^{name} {why}"):
            check_single_file(tmp_path / name)


def test_a_fingerprint_is_of_the_files_and_of_the_settings(model: Path, tmp_path: Path) -> None:
    before = fingerprint(model, "a setting")
    assert fingerprint(model, "a setting") == before
    assert fingerprint(model, "another") != before
    os.utime(model / WEIGHTS, (1, 1))
    assert fingerprint(model, "a setting") != before
    assert fingerprint(None, "a setting") != fingerprint(None, "another")
    single = tmp_path / "one.safetensors"
    single.write_bytes(b"weights")
    assert fingerprint(single) == fingerprint(single) != fingerprint(None)
