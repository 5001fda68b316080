"""Read an operator's folder: names, hashes, and the reasons why a file cannot be used."""

from __future__ import annotations

import os
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest

from deployments.diffusion.model import lora_files as module
from deployments.diffusion.model.families import family_named
from deployments.diffusion.model.lora_files import lora_files
from tests.support.lora_files import UNET, pair, write_lora

SD1, FLUX = family_named("sd1"), family_named("flux-dev")


def test_each_file_is_known_by_its_name_and_hash(tmp_path: Path) -> None:
    folder = tmp_path / "loras"
    files = [write_lora(folder, name, seed) for seed, name in enumerate(("water colour", "ink.v2"))]
    (folder / "notes.txt").write_text("mine")
    (folder / "inner.safetensors").mkdir()
    found = lora_files(str(folder), SD1)
    assert list(found) == ["ink.v2", "water colour"]
    for file in files:
        lora = found[file.stem]
        assert lora.sha256 == sha256(file.read_bytes()).hexdigest() and not lora.fault
        assert lora.size_bytes == file.stat().st_size and lora.numbers == 2 * (2 * 4 * 32 + 1)


def test_a_file_that_is_new_changed_or_gone_is_seen_at_once(tmp_path: Path) -> None:
    file = write_lora(tmp_path, "ink")
    before = lora_files(str(tmp_path), SD1)["ink"].sha256
    write_lora(tmp_path, "ink", seed=1)
    state = file.stat()
    os.utime(file, ns=(state.st_atime_ns, state.st_mtime_ns + 1))  # File times may be coarse.
    assert lora_files(str(tmp_path), SD1)["ink"].sha256 != before
    write_lora(tmp_path, "wash")
    assert list(lora_files(str(tmp_path), SD1)) == ["ink", "wash"]
    file.unlink()
    assert list(lora_files(str(tmp_path), SD1)) == ["wash"]


@pytest.mark.parametrize(
    ("names", "fault"),
    [
        ([f"{UNET}.lora_down.weight", f"{UNET}.dora_scale"], "it is a DoRA"),
        (["unet.x.lora_A.weight", "unet.x.lora_magnitude_vector"], "it is a DoRA"),
        ([f"{UNET}.hada_w1_a"], "it is a LoHa (LyCORIS)"),
        ([f"{UNET}.lokr_w1"], "it is a LoKr (LyCORIS)"),
        ([f"{UNET}.lora_down.weight"], f"its weight {UNET}.lora_up.weight is missing"),
        (["lora_unet_double_blocks_0_img_attn_proj.lora_A.weight"], "it is for Flux"),
        (["some.weight"], "it is not a LoRA"),
    ],
)
def test_what_cannot_be_used_is_listed_with_the_reason(tmp_path: Path, names: list[str], fault: str) -> None:
    write_lora(tmp_path, "odd", **{name: np.zeros((4, 4), np.float32) for name in names})
    write_lora(tmp_path, "ink")
    found = lora_files(str(tmp_path), SD1)
    assert (found["odd"].fault, found["ink"].fault) == (fault, "")


def test_a_file_that_is_cut_short_or_no_file_of_tensors(tmp_path: Path) -> None:
    file = write_lora(tmp_path, "ink")
    file.write_bytes(file.read_bytes()[:-4])
    (tmp_path / "text.safetensors").write_bytes(b"not at all")
    (tmp_path / "empty.safetensors").write_bytes(b"")
    found = lora_files(str(tmp_path), SD1)
    assert found["ink"].fault.startswith("ink.safetensors is cut short")
    assert "not a safetensors file" in found["text"].fault and found["empty"].fault


def test_another_familys_names_are_only_refused_over_a_unet(tmp_path: Path) -> None:
    write_lora(tmp_path, "style", **pair("transformer.single_transformer_blocks.0.attn.to_q"))
    assert lora_files(str(tmp_path), SD1)["style"].fault.startswith("it is for a model with a transformer")
    assert lora_files(str(tmp_path), FLUX)["style"].fault == ""


def test_a_folder_that_is_not_there_has_none(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    assert lora_files(None, SD1) == {} and not caplog.messages
    assert lora_files(str(tmp_path / "gone"), SD1) == {}
    assert caplog.messages == ["the folder of LoRAs cannot be read: No such file or directory"]


def test_names_that_no_request_could_have_and_more_files_than_are_offered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(module, "MOST_FILES", 3)
    for name in ("a", "b", "c", "d", "x" * 201, "line\nbreak"):
        write_lora(tmp_path, name)
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff.safetensors")).write_bytes(b"")
    assert list(lora_files(str(tmp_path), SD1)) == ["a", "b", "c"]
    assert caplog.messages == ["only the first 3 of 4 LoRAs are offered"]
