"""Fetch a model from the hub: the configuration of its parts, and one variant of each part's weights."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from huggingface_hub import get_cached_repo_tree, snapshot_download
from huggingface_hub.errors import CachedRepoTreeNotFoundError, LocalEntryNotFoundError

from deployments.diffusion.model.load_errors import blamed
from deployments.diffusion.model.model_files import (
    NONE_APART,
    check_shape,
    parts_of,
    read_index,
)
from deployments.diffusion.model.weights import SUFFIX, MissingShard, choose
from deployments.errors import NotReady

HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*", re.ASCII)
CONFIGURATION = ("*.json", "*.txt", "*.model", "*.jinja")
"""With the tokenizer's vocabulary and chat template, but never a pickle or weights for another library."""


def offline() -> bool:
    """Return whether to stay off the hub."""
    return os.environ.get("HF_HUB_OFFLINE", "").upper() in ("1", "TRUE", "YES", "ON")


def fetch_index(name: str) -> Path:
    """Fetch only a model's model_index.json, and return its folder. Raises NotReady or ModelUnusable."""
    with blamed(f"the model {name}"):
        # The newest commit. The rest is fetched from the same one. No code is run from a model's files.
        found = snapshot_download(  # nosec B615
            name, allow_patterns="model_index.json", local_files_only=offline()
        )
        return Path(found)


def fetch_model(folder: Path, name: str, precision: str, apart: Mapping[str, str] = NONE_APART) -> Path:
    """Fetch the rest of a model whose index is in `folder`, but only the weights for `precision`.

    `apart` has the precisions of parts that differ. A model that cannot paint from text is refused before its
    weights are fetched. Raises NotReady or ModelUnusable.
    """
    parts = list(parts_of(read_index(folder, name)))
    with blamed(f"the model {name}"):
        _fetch(name, folder, [f"{part}/{kind}" for part in parts for kind in CONFIGURATION], "*.index*.json")
        check_shape(folder, name)
        precisions = {part: apart.get(part, precision) for part in parts}
        wanted = _weights(_files(name, folder), precisions, name)
        try:
            _fetch(name, folder, wanted)
        except LocalEntryNotFoundError:
            # If the hub cannot be reached, another variant that was fetched before will do.
            weighing = [part for part in parts if _weighs(wanted, part)]
            if not all(choose(_names(folder / part), precisions[part]) for part in weighing):
                raise
    return folder


def _fetch(name: str, folder: Path, patterns: list[str], but: str | None = None) -> None:
    """Fetch files of the commit that `folder` is a snapshot of, so that all files are from one commit."""
    if patterns:
        snapshot_download(
            name,
            revision=folder.name,
            allow_patterns=patterns,
            ignore_patterns=but,
            local_files_only=offline(),
        )


def _files(name: str, folder: Path) -> set[str]:
    """Return all files of the repository, or those on disk if an older hub client fetched it."""
    try:
        return {file.path for file in get_cached_repo_tree(name, revision=folder.name)}
    except CachedRepoTreeNotFoundError:
        return {str(file.relative_to(folder)) for file in folder.rglob("*") if file.is_file()}


def _weights(files: Iterable[str], precisions: Mapping[str, str], name: str) -> list[str]:
    wanted: list[str] = []
    for part, precision in precisions.items():
        own = [file.removeprefix(f"{part}/") for file in files if file.startswith(f"{part}/")]
        chosen = choose(own, precision)
        if chosen is None:
            continue
        try:
            names = (*chosen.names, *([chosen.index] if chosen.index else []))
        except MissingShard as error:
            raise NotReady(f"{name}/{part}/{error.file} is missing on the hub") from None
        wanted += [f"{part}/{file}" for file in names]
    return wanted


def _weighs(wanted: list[str], part: str) -> bool:
    return any(file.startswith(f"{part}/") and file.endswith(SUFFIX) for file in wanted)


def _names(folder: Path) -> list[str]:
    return [file.name for file in folder.iterdir()] if folder.is_dir() else []
