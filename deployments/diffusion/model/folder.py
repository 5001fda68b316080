"""Load a model from a diffusers folder, part by part, so that a failure names its part and file."""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import logging
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import diffusers
import transformers

from deployments.diffusion.model.families import family_of
from deployments.diffusion.model.load_errors import blamed
from deployments.diffusion.model.load_network import SAFELY, load_network
from deployments.diffusion.model.model_files import (
    NOT_LOADED,
    check_model_files,
    part_weights,
    parts_of,
    read_index,
)
from deployments.diffusion.model.quantization import Quantization
from deployments.errors import ModelUnusable

Pipeline = Any
STEMS = {"diffusers": "diffusion_pytorch_model", "transformers": "model"}
"""File stems of the weights of each library's networks. A part of any other library is a model's own code."""
OURS = "deployments.diffusion.model.patch_autoencoder"
"""The library of the bundled models' VAE."""
OWN_MODULES = re.compile(r"[a-z][a-z0-9_]*", re.ASCII)
"""Names of diffusers' pipeline modules, some of which have a text encoder of their own."""
RENAMED = {"MT5Tokenizer": "T5Tokenizer", "MT5TokenizerFast": "T5TokenizerFast"}
"""Classes that transformers 5 has under another name."""
MAY_BE_LEFT_OUT = ("text_encoder_3", "tokenizer_3")
"""Parts that may be missing: Stable Diffusion 3 works without its largest text encoder."""


@dataclass(frozen=True)
class Precisions:
    """The dtype of each part, by its name in torch: `whole`, except for the parts in `apart`."""

    whole: str
    apart: Mapping[str, str] = field(default_factory=dict)

    def of(self, part: str) -> str:
        return self.apart.get(part, self.whole)


def load_folder(
    folder: Path,
    shown: str,
    precisions: Precisions,
    to_dtype: Callable[[str], Any],
    quantization: Quantization | None = None,
    **arguments: Any,
) -> Pipeline:
    """Load the pipeline in `folder` with each part's weights in the variant that suits its precision.

    `to_dtype` returns torch's dtype for a name. `arguments` are the pipeline class's own. Raises NotReady or
    ModelUnusable, naming the part and the file.
    """
    check_model_files(folder, precisions.whole, shown, precisions.apart)
    index = read_index(folder, shown)
    library: Any = diffusers
    made = getattr(library, index["_class_name"])
    with blamed(shown):  # A class whose packages are missing says so when it is used.
        expected = _parameters(made)
    named = {part: entry for part, entry in parts_of(index).items() if part in expected}
    for part in _required(index, expected):
        if part not in named:
            raise ModelUnusable(f"{shown}/model_index.json names no {part}")
    _check_named(named, shown, precisions, quantization)
    parts: dict[str, Any] = {
        part: _load_part(folder / part, f"{shown}/{part}", entry, precisions.of(part), to_dtype, quantization)
        for part, entry in named.items()
    }
    _check_words(parts, shown)
    left_out = (*NOT_LOADED, *MAY_BE_LEFT_OUT)
    parts |= {part: None for part in left_out if part in expected and part not in parts}
    with blamed(shown), _small_vae_expected():
        return made.from_pretrained(str(folder), local_files_only=True, **SAFELY, **parts, **arguments)


def _parameters(pipeline: Any) -> Mapping[str, Any]:
    """Return the parts that a pipeline's class takes.

    Raises ImportError if diffusers has only a dummy of the class.
    """
    if getattr(pipeline, "_backends", None):
        pipeline.from_pretrained()
    return inspect.signature(pipeline.__init__).parameters


def _required(index: Mapping[str, Any], expected: Iterable[str]) -> list[str]:
    """Return the parts that a pipeline cannot do without, the denoiser first."""
    texts = [part for part in expected if part.startswith(("text_encoder", "tokenizer"))]
    one, more = ("text_encoder", "tokenizer"), sorted(part for part in texts if part[-1].isdigit())
    first = [family_of(str(index["_class_name"])).denoiser, "vae", *(part for part in one if part in texts)]
    return [*first, "scheduler", *(part for part in more if part not in MAY_BE_LEFT_OUT)]


def _check_named(
    named: Mapping[str, Any], shown: str, precisions: Precisions, quantization: Quantization | None
) -> None:
    """Raise ModelUnusable if the operator has settings for a part that the model does not have."""
    wanted = set(precisions.apart) | (quantization.components if quantization else set())
    for part in sorted(wanted - named.keys()):
        raise ModelUnusable(
            f"{shown} has no {part}, which the settings name: it has {', '.join(sorted(named))}"
        )


def _load_part(
    folder: Path,
    shown: str,
    entry: tuple[str, str],
    precision: str,
    to_dtype: Callable[[str], Any],
    quantization: Quantization | None,
) -> Any:
    library, name = entry
    module = _module(library, shown)
    with blamed(f"{shown} ({name})"):
        kind = getattr(importlib.import_module(module), RENAMED.get(name, name), None)
        if kind is None:
            raise ModelUnusable(f"{shown} is a {name}, which the installed {library} does not have")
        if not issubclass(kind, (diffusers.ModelMixin, transformers.PreTrainedModel)):
            return kind.from_pretrained(str(folder), local_files_only=True)
    by_diffusers = issubclass(kind, diffusers.ModelMixin)
    stem = STEMS["diffusers" if by_diffusers else "transformers"]
    weights = part_weights(folder, shown, precision)
    quantized = quantization.of(folder.name, by_diffusers) if quantization else None
    more = {} if quantized is None else {"quantization_config": quantized}
    return load_network(kind, folder, shown, stem, weights, to_dtype(precision), **more)


def _module(library: str, shown: str) -> str:
    """Return the module of a part's class: one of the two libraries, a diffusers pipeline module, or ours."""
    if library in STEMS or library == OURS:
        return library
    if OWN_MODULES.fullmatch(library) and importlib.util.find_spec(f"diffusers.pipelines.{library}"):
        return f"diffusers.pipelines.{library}"
    raise ModelUnusable(f"{shown} is from the library {library}: a model's own code is never run")


def _check_words(parts: Mapping[str, Any], shown: str) -> None:
    """Raise ModelUnusable if a tokenizer knows words that its text encoder does not."""
    for number in ("", "_2", "_3"):
        tokenizer, encoder = parts.get(f"tokenizer{number}"), parts.get(f"text_encoder{number}")
        if tokenizer is None or encoder is None:
            continue
        # A processor contains a tokenizer.
        words = len(tokenizer if hasattr(tokenizer, "model_max_length") else tokenizer.tokenizer)
        read = encoder.get_input_embeddings().num_embeddings
        if words > read:
            raise ModelUnusable(
                f"{shown}/tokenizer{number} has {words} words, but text_encoder{number} knows {read}"
            )


@contextmanager
def _small_vae_expected() -> Iterator[None]:
    """Drop diffusers' warning about a VAE of another class than the pipeline's annotation names."""
    logger = logging.getLogger("diffusers.pipelines.pipeline_utils")

    def is_news(record: logging.LogRecord) -> bool:
        message = record.getMessage()
        known = "AutoencoderTiny" in message or "PatchAutoencoder" in message
        return not (message.startswith("Expected types for vae:") and known)

    logger.addFilter(is_news)
    try:
        yield
    finally:
        logger.removeFilter(is_news)
