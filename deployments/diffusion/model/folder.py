"""Load a model from a diffusers folder, part by part, so that a failure names its part and file."""

from __future__ import annotations

import importlib
import inspect
import json
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import diffusers
import transformers

from deployments.diffusion.model.load_errors import blamed, misshapen
from deployments.diffusion.model.safetensors_header import Header
from deployments.diffusion.model_files import (
    NOT_LOADED,
    check_model_files,
    part_weights,
    parts_of,
    read_index,
)
from deployments.errors import ModelUnusable

Pipeline = Any
STEMS = {"diffusers": "diffusion_pytorch_model", "transformers": "model"}
"""What a library calls the weights of its networks. A part of any other library is a model's own code."""
SAFELY = {"use_safetensors": True, "trust_remote_code": False}
REPORTING = SAFELY | {"output_loading_info": True}


def load_folder(folder: Path, shown: str, dtype: Any, precision: str, **arguments: Any) -> Pipeline:
    """Load the pipeline in `folder` with each part's weights in the variant that suits `precision`.

    `arguments` are the pipeline class's own. Raises NotReady or ModelUnusable, naming the part and the file.
    """
    check_model_files(folder, precision, shown)
    index = read_index(folder, shown)
    library: Any = diffusers
    made = getattr(library, index["_class_name"])
    expected = inspect.signature(made.__init__).parameters
    named = {part: entry for part, entry in parts_of(index).items() if part in expected}
    for part in ("unet", "vae", "text_encoder", "tokenizer", "scheduler"):
        if part not in named:
            raise ModelUnusable(f"{shown}/model_index.json names no {part}")
    parts: dict[str, Any] = {
        part: _load_part(folder / part, f"{shown}/{part}", *entry, dtype, precision)
        for part, entry in named.items()
    }
    _check_words(parts, shown)
    parts |= {part: None for part in NOT_LOADED if part in expected}
    with blamed(shown):
        return made.from_pretrained(str(folder), local_files_only=True, **SAFELY, **parts, **arguments)


def load_network(
    kind: Any, folder: Path, shown: str, stem: str, weights: Mapping[str, Header], dtype: Any
) -> Any:
    """Load one network of class `kind` from these of its folder's weight files.

    Raises NotReady or ModelUnusable, naming the file.
    """
    files = next(iter(weights)) if len(weights) == 1 else f"{len(weights)} shards"
    with blamed(f"{shown} ({files})"), _plainly_named(folder, stem, weights) as plain:
        network, found = kind.from_pretrained(
            str(plain), dtype=dtype, local_files_only=True, ignore_mismatched_sizes=True, **REPORTING
        )
        check_weights(found, shown, weights)
    return network


def check_weights(found: Mapping[str, Any], shown: str, weights: Mapping[str, Header]) -> None:
    """Raise ModelUnusable where a network's weights are not all in its files, or of another shape there.

    `found`: what from_pretrained says of them. Both libraries would leave them to chance, with a warning.
    """
    for name, there, wanted in sorted(found["mismatched_keys"]):
        file = next((f" ({file})" for file, header in weights.items() if name in header), "")
        raise ModelUnusable(f"{shown}{file}: {misshapen(name, tuple(there), tuple(wanted))}")
    missing = sorted(found["missing_keys"])
    if missing:
        files = f" ({', '.join(weights)})" if weights else ""
        raise ModelUnusable(f"{shown} lacks {len(missing)} of its weights, {missing[0]} among them{files}")


def _load_part(folder: Path, shown: str, library: str, name: str, dtype: Any, precision: str) -> Any:
    if library not in STEMS:
        raise ModelUnusable(f"{shown} is of the library {library}: a model's own code is never run")
    with blamed(f"{shown} ({name})"):
        kind = getattr(importlib.import_module(library), name, None)
        if kind is None:
            raise ModelUnusable(f"{shown} is a {name}, which the installed {library} does not have")
        if not issubclass(kind, (diffusers.ModelMixin, transformers.PreTrainedModel)):
            return kind.from_pretrained(str(folder), local_files_only=True)
    return load_network(kind, folder, shown, STEMS[library], part_weights(folder, shown, precision), dtype)


def _check_words(parts: Mapping[str, Any], shown: str) -> None:
    """Raise ModelUnusable where a tokenizer knows words that its text encoder does not."""
    for number in ("", "_2"):
        tokenizer, encoder = parts.get(f"tokenizer{number}"), parts.get(f"text_encoder{number}")
        if tokenizer is not None and encoder is not None and len(tokenizer) > encoder.config.vocab_size:
            raise ModelUnusable(
                f"{shown}/tokenizer{number} has {len(tokenizer)} words, "
                f"and text_encoder{number} reads {encoder.config.vocab_size}"
            )


@contextmanager
def _plainly_named(folder: Path, stem: str, weights: Mapping[str, Header]) -> Iterator[Path]:
    """A folder of links, where the chosen weights have the one name that both libraries look for.

    Variants and shards have several spellings, and each library reads others of them.
    """
    with tempfile.TemporaryDirectory(prefix="scenewright-weights-") as made:
        plain = Path(made)
        for file in folder.iterdir():
            if file.suffix == ".json" and ".index." not in file.name:
                (plain / file.name).symlink_to(file.resolve())
        if len(weights) == 1:
            (plain / f"{stem}.safetensors").symlink_to((folder / next(iter(weights))).resolve())
        else:
            _link_shards(folder, plain, stem, weights)
        yield plain


def _link_shards(folder: Path, plain: Path, stem: str, weights: Mapping[str, Header]) -> None:
    weight_map: dict[str, str] = {}
    for number, (name, header) in enumerate(weights.items(), 1):
        link = f"{stem}-{number:05d}-of-{len(weights):05d}.safetensors"
        (plain / link).symlink_to((folder / name).resolve())
        weight_map |= dict.fromkeys(header.names, link)
    index = {"metadata": {"total_size": 0}, "weight_map": weight_map}
    (plain / f"{stem}.safetensors.index.json").write_text(json.dumps(index), encoding="utf-8")
