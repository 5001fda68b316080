"""Check that a model on disk is whole and safe to read, before torch ever opens it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NoReturn

from deployments.diffusion.model.families import STABLE_DIFFUSION_PIPELINES
from deployments.diffusion.model.safetensors_header import Header, read_header
from deployments.diffusion.model.text_to_image import check_parts
from deployments.diffusion.model.weights import MissingShard, choose
from deployments.errors import ModelUnusable, NotReady

CHECKSUMS = "SHA256SUMS"
CONFIG_NAMES = ("config.json", "scheduler_config.json", "tokenizer_config.json", "preprocessor_config.json")
VOCABULARIES = ("tokenizer.json", "vocab.json", "vocab.txt", "spiece.model", "tokenizer.model")
PICKLE_SUFFIXES = (".bin", ".ckpt", ".pt", ".pth", ".pkl")
NOT_LOADED = ("safety_checker", "feature_extractor", "image_encoder")
"""Parts that are not needed to paint from text."""
NONE_APART: Mapping[str, str] = {}
PICKLE = "is a pickle, which can run code when it is read: only safetensors is loaded"


def check_model_files(
    folder: Path,
    precision: str = "float32",
    shown: str | None = None,
    apart: Mapping[str, str] = NONE_APART,
) -> None:
    """Check that `folder` is a whole diffusers model of intact safetensors that paints from text.

    Check the weights of each part that would be read for `precision` (float32, float16 or bfloat16), or for
    the part's own precision in `apart`. Raises NotReady or ModelUnusable, naming the file. The folder is
    called `shown`.
    """
    name = shown or folder.resolve().name
    index = read_index(folder, name)
    check_shape(folder, name)
    for part in parts_of(index):
        _check_part(folder / part, f"{name}/{part}", apart.get(part, precision))
    if (folder / CHECKSUMS).exists():
        _check_sums(folder, name)


def read_index(folder: Path, shown: str) -> dict[str, Any]:
    """Return a model's model_index.json, which must name a class. Raises NotReady or ModelUnusable."""
    index = read_json(folder / "model_index.json", f"{shown}/model_index.json")
    if not isinstance(index.get("_class_name"), str):
        raise ModelUnusable(
            f"{shown}/model_index.json names no known pipeline; a model's own code is never run"
        )
    return index


def check_shape(folder: Path, shown: str) -> None:
    """Check by the configuration of its parts that a model paints from text. Raises ModelUnusable.

    Missing parts are not reported here. Only Stable Diffusion 1, 2 and XL are checked, since the other
    families have a class for each task.
    """
    index = read_index(folder, shown)
    if index["_class_name"] not in STABLE_DIFFUSION_PIPELINES:
        return
    parts = parts_of(index)
    encoders = sorted(part for part in parts if part.startswith("text_encoder"))
    configs = [_config_of(folder / part, f"{shown}/{part}") for part in ("unet", "vae", *encoders)]
    there = [config for config in configs if config is not None]
    if encoders and len(there) == len(configs):
        check_parts(there[0], there[1], there[2:], shown)


def parts_of(index: dict[str, Any]) -> dict[str, tuple[str, str]]:
    """Return the library and class of each part that a model_index.json names and that is to be loaded."""
    return {
        part: (str(entry[0]), str(entry[1]))
        for part, entry in index.items()
        if isinstance(entry, list) and len(entry) == 2 and None not in entry
        if not part.startswith("_") and part not in NOT_LOADED
    }


def check_network(folder: Path, shown: str, precision: str = "float32") -> None:
    """Check that `folder` is one network of intact safetensors. Raises NotReady, naming the file."""
    _check_part(folder, shown, precision)
    if (folder / CHECKSUMS).exists():
        _check_sums(folder, shown)


def fingerprint(place: Path | None, *settings: object) -> str:
    """Hash the state of a model's files, if they are here, and the settings that shape its pictures."""
    digest = hashlib.sha256(repr(settings).encode())
    if place is not None:
        for file in sorted(place.rglob("*")) if place.is_dir() else [place]:
            if file.is_file():
                state = file.stat()
                digest.update(f"{file.relative_to(place)} {state.st_size} {state.st_mtime_ns}\n".encode())
    return digest.hexdigest()


def check_single_file(file: Path) -> Header:
    """Read the header of one intact safetensors file: a whole checkpoint, or a LoRA. Raises NotReady."""
    if file.suffix.lower() in PICKLE_SUFFIXES:
        raise ModelUnusable(f"{file.name} {PICKLE}")
    if file.suffix.lower() != ".safetensors":
        raise ModelUnusable(f"{file.name} is not a .safetensors file")
    return read_header(file, file.name)


def part_weights(folder: Path, shown: str, precision: str) -> dict[str, Header]:
    """Return the files that a part's weights are read from, with their headers.

    Raises NotReady, naming the file.
    """
    files = {file.name for file in folder.iterdir()}
    chosen = choose(files, precision)
    if chosen is None:
        _refuse_without_weights(files, folder, shown)
    try:
        names = chosen.names if chosen.index is None else chosen.listed(_listed(folder / chosen.index, shown))
    except MissingShard as error:
        raise NotReady(f"{shown}/{error.file} is missing") from None
    return {name: read_header(folder / name, f"{shown}/{name}") for name in names}


def check_words(tokenizer: Path, shown: str) -> None:
    """Raise NotReady if a tokenizer has no vocabulary: transformers would make one that knows no word."""
    if not any((tokenizer / name).is_file() for name in VOCABULARIES):
        raise NotReady(f"{shown} has no vocabulary: {' or '.join(VOCABULARIES[:2])} is missing")


def read_json(file: Path, shown: str) -> dict[str, Any]:
    """Return the object in a JSON file. Raises NotReady if it cannot be read, else ModelUnusable."""
    try:
        content = json.loads(file.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise NotReady(f"{shown} is missing or cannot be read") from error
    except (ValueError, RecursionError) as error:
        raise ModelUnusable(f"{shown} is not valid JSON") from error
    if not isinstance(content, dict):
        raise ModelUnusable(f"{shown} is not a JSON object")
    return content


def _check_part(folder: Path, shown: str, precision: str) -> None:
    if not folder.is_dir():
        raise NotReady(f"{shown} is missing")
    configs = [name for name in CONFIG_NAMES if (folder / name).is_file()]
    if not configs:
        raise NotReady(f"{shown} has no configuration file")
    for name in configs:
        read_json(folder / name, f"{shown}/{name}")
    if "tokenizer_config.json" in configs:
        check_words(folder, shown)
    if configs == ["config.json"]:  # Only networks have this file alone. Other parts carry no weights.
        part_weights(folder, shown, precision)


def _refuse_without_weights(files: set[str], folder: Path, shown: str) -> NoReturn:
    missing = [
        part
        for index in sorted(files)
        if index.endswith(".index.json") or ".index." in index
        if ".safetensors" in index
        for part in sorted(set(_listed(folder / index, shown)))
    ]
    if missing:
        raise NotReady(f"{shown}/{missing[0]} is missing")
    pickles = sorted(name for name in files if Path(name).suffix.lower() in PICKLE_SUFFIXES)
    if pickles:
        raise ModelUnusable(f"{shown}/{pickles[0]} {PICKLE}")
    others = sorted(name for name in files if name.endswith(".safetensors"))
    found = f" with a name that diffusers uses, only {others[0]}" if others else ""
    raise NotReady(f"{shown} has no .safetensors file{found}")


def _listed(index: Path, shown: str) -> list[str]:
    """Return the files that an index of shards lists."""
    weights = read_json(index, f"{shown}/{index.name}").get("weight_map", {})
    if not isinstance(weights, dict) or not all(isinstance(name, str) for name in weights.values()):
        raise ModelUnusable(f"{shown}/{index.name} lists no files")
    if not all(Path(name).name == name for name in weights.values()):
        raise ModelUnusable(f"{shown}/{index.name} lists files in other folders")
    return list(weights.values())


def _config_of(folder: Path, shown: str) -> dict[str, Any] | None:
    file = folder / "config.json"
    return read_json(file, f"{shown}/config.json") if file.is_file() else None


def _check_sums(folder: Path, name: str) -> None:
    for line in (folder / CHECKSUMS).read_text(encoding="utf-8-sig", errors="replace").splitlines():
        if not line.strip():
            continue
        expected, _, listed = line.strip().partition(" ")
        listed = listed.strip().removeprefix("*").removeprefix("./")
        if not listed:
            raise ModelUnusable(f"{name}/{CHECKSUMS} is not in the format of sha256sum")
        file = folder / listed
        if not file.is_file():
            raise NotReady(f"{name}/{listed} is missing")
        with file.open("rb") as stream:
            if hashlib.file_digest(stream, "sha256").hexdigest() != expected.lower():
                raise ModelUnusable(f"{name}/{listed} does not match its checksum in {CHECKSUMS}")
