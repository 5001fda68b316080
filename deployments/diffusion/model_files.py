"""Is a model on disk whole, and safe to read? Asked before torch ever opens it."""

from __future__ import annotations

import hashlib
import json
import struct
from pathlib import Path
from typing import Any

from deployments.errors import NotReady

CHECKSUMS = "SHA256SUMS"
CONFIG_NAMES = ("config.json", "scheduler_config.json", "tokenizer_config.json", "preprocessor_config.json")
PICKLE_SUFFIXES = (".bin", ".ckpt", ".pt", ".pth", ".pkl")
NOT_LOADED = ("safety_checker",)
PICKLE = "is a pickle, which can run code when it is read: only safetensors is loaded"


def check_model_files(folder: Path) -> None:
    """Raises NotReady, naming the file, unless `folder` is a whole diffusers model of intact safetensors."""
    name = folder.resolve().name
    index = _read_json(folder / "model_index.json", f"{name}/model_index.json")
    if not isinstance(index.get("_class_name"), str):
        raise NotReady(f"{name}/model_index.json names no known pipeline; a model's own code is never run")
    for component, entry in index.items():
        named = isinstance(entry, list) and None not in entry
        if named and not component.startswith("_") and component not in NOT_LOADED:
            _check_component(folder / component, f"{name}/{component}")
    if (folder / CHECKSUMS).exists():
        _check_sums(folder, name)


def check_network(folder: Path, shown: str) -> None:
    """Raises NotReady, naming the file, unless `folder` is one network of intact safetensors."""
    _check_component(folder, shown)
    if (folder / CHECKSUMS).exists():
        _check_sums(folder, shown)


def fingerprint(place: Path | None, *settings: object) -> str:
    """Of a model's files and of the settings that shape its pictures; of the settings alone on the hub."""
    digest = hashlib.sha256(repr(settings).encode())
    if place is not None:
        for file in sorted(place.rglob("*")) if place.is_dir() else [place]:
            if file.is_file():
                state = file.stat()
                digest.update(f"{file.relative_to(place)} {state.st_size} {state.st_mtime_ns}\n".encode())
    return digest.hexdigest()


def check_single_file(file: Path) -> None:
    """Raises NotReady unless `file` is one intact safetensors file: a whole checkpoint, or a LoRA."""
    if file.suffix.lower() in PICKLE_SUFFIXES:
        raise NotReady(f"{file.name} {PICKLE}")
    if file.suffix.lower() != ".safetensors":
        raise NotReady(f"{file.name} is not a .safetensors file")
    read_header(file, file.name)


def single_file_pipeline(file: Path) -> str:
    """The pipeline class a single checkpoint belongs to, told from the names of its tensors."""
    check_single_file(file)
    keys = read_header(file, file.name).keys()
    if any(key.startswith("conditioner.embedders.1.") for key in keys):
        return "StableDiffusionXLPipeline"
    if any(key.startswith("cond_stage_model.") for key in keys):
        return "StableDiffusionPipeline"
    raise NotReady(f"{file.name} is not a whole Stable Diffusion 1, 2 or XL checkpoint")


def lora_file(source: str) -> Path:
    """The LoRA's one file, `source` itself or alone in its folder. Raises NotReady where it holds none."""
    path = Path(source).expanduser()
    files = sorted(path.glob("*.safetensors")) if path.is_dir() else [path]
    if len(files) != 1 or not files[0].exists():
        raise NotReady(f"the LoRA {path.name} is not a .safetensors file or a folder with exactly one")
    check_single_file(files[0])
    if not any("lora" in key.lower() for key in read_header(files[0], files[0].name)):
        raise NotReady(f"{files[0].name} is not a LoRA")
    return files[0]


def read_header(file: Path, shown: str) -> dict[str, Any]:
    """A safetensors file's tensors by name. Raises NotReady where it is not what its header promises."""
    # https://huggingface.co/docs/safetensors: eight bytes of length, a header in JSON, then the tensors.
    try:
        size = file.stat().st_size
        with file.open("rb") as stream:
            prefix = stream.read(8)
            length = struct.unpack("<Q", prefix)[0] if len(prefix) == 8 else size
            if length > size - 8:
                raise NotReady(f"{shown} is cut short or not a safetensors file")
            header = json.loads(stream.read(length))
        header.pop("__metadata__", None)
        end = 8 + length + max((int(tensor["data_offsets"][1]) for tensor in header.values()), default=0)
    except OSError as error:
        raise NotReady(f"{shown} is missing or cannot be read") from error
    except (ValueError, KeyError, TypeError, AttributeError, IndexError) as error:
        raise NotReady(f"{shown} is corrupt: its header cannot be read") from error
    if end != size:
        harm = "cut short" if end > size else "corrupt"
        raise NotReady(f"{shown} is {harm}: {size} bytes instead of {end}")
    return dict(header)


def _check_component(folder: Path, shown: str) -> None:
    if not folder.is_dir():
        raise NotReady(f"{shown} is missing")
    configs = [name for name in CONFIG_NAMES if (folder / name).is_file()]
    if not configs:
        raise NotReady(f"{shown} has no configuration file")
    for name in configs:
        _read_json(folder / name, f"{shown}/{name}")
    if configs == ["config.json"]:  # Only networks have that one alone; the others carry no weights.
        _check_weights(folder, shown)


def _check_weights(folder: Path, shown: str) -> None:
    weights = sorted(folder.glob("*.safetensors"))
    if not weights:
        pickles = sorted(file.name for file in folder.iterdir() if file.suffix.lower() in PICKLE_SUFFIXES)
        if pickles:
            raise NotReady(f"{shown}/{pickles[0]} {PICKLE}")
        raise NotReady(f"{shown} has no .safetensors file")
    for index in sorted(folder.glob("*.safetensors.index.json")):
        weight_map = _read_json(index, f"{shown}/{index.name}").get("weight_map", {})
        for part in sorted(set(weight_map.values())):
            if not (folder / part).is_file():
                raise NotReady(f"{shown}/{part} is missing")
    for file in weights:
        read_header(file, f"{shown}/{file.name}")


def _check_sums(folder: Path, name: str) -> None:
    for line in (folder / CHECKSUMS).read_text(encoding="utf-8-sig", errors="replace").splitlines():
        if not line.strip():
            continue
        expected, _, listed = line.strip().partition(" ")
        listed = listed.strip().removeprefix("*").removeprefix("./")
        if not listed:
            raise NotReady(f"{name}/{CHECKSUMS} is not in the form of sha256sum")
        file = folder / listed
        if not file.is_file():
            raise NotReady(f"{name}/{listed} is missing")
        with file.open("rb") as stream:
            if hashlib.file_digest(stream, "sha256").hexdigest() != expected.lower():
                raise NotReady(f"{name}/{listed} does not match its checksum in {CHECKSUMS}")


def _read_json(file: Path, shown: str) -> dict[str, Any]:
    try:
        content = json.loads(file.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise NotReady(f"{shown} is missing or cannot be read") from error
    except ValueError as error:
        raise NotReady(f"{shown} is not valid JSON") from error
    if not isinstance(content, dict):
        raise NotReady(f"{shown} is not a JSON object")
    return content
