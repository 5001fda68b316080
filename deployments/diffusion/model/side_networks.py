"""Read a network that is loaded beside a model, from a local folder or from the hub."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import diffusers
import transformers
from huggingface_hub import hf_hub_download, snapshot_download

from deployments.diffusion.model.folder import STEMS
from deployments.diffusion.model.hub import CONFIGURATION, HUB_ID, offline
from deployments.diffusion.model.load_errors import blamed
from deployments.diffusion.model.load_network import load_network
from deployments.diffusion.model.model_files import check_network, part_weights, read_json
from deployments.errors import ModelUnusable, NotReady

ON_THE_HUB = re.compile(rf"(?P<id>{HUB_ID.pattern})(?:/(?P<path>[\w.-]+(?:/[\w.-]+)*))?", re.ASCII)
"""A hub id, with or without a path inside its repository."""


def shown_name(source: str) -> str:
    """Return the name of a source for callers, without the folders of this machine."""
    return Path(source).name if Path(source).expanduser().exists() else source


def local_file(source: str, called: str) -> Path:
    """Return the .safetensors file `source`, fetched if it is `owner/name/path` on the hub.

    Errors call it `called`. Raises NotReady or ModelUnusable.
    """
    path = Path(source).expanduser()
    if path.is_file():
        return path
    found = ON_THE_HUB.fullmatch(source)
    if path.exists() or found is None or found["path"] is None:
        raise NotReady(f"{called} {path.name} is neither a local file nor one on the hub")
    if not source.endswith(".safetensors"):
        raise ModelUnusable(f"{called} {source} is not a .safetensors file")
    with blamed(f"{called} {source}"):
        # The newest commit. No code is run from the file.
        return Path(hf_hub_download(found["id"], found["path"], local_files_only=offline()))  # nosec B615


def read_network(kind: Any, source: str, called: str, dtype: Any) -> Any:
    """Read a network of class `kind` of diffusers or transformers, on the CPU.

    `source` is its folder, a hub id, or `owner/name/path` of a folder on the hub. Errors call it `called`.
    Raises NotReady or ModelUnusable.
    """
    shown = f"{called} {shown_name(source)}"
    with blamed(shown):
        folder = _folder(source, called)
        precision = str(dtype).removeprefix("torch.")
        check_network(folder, shown, precision)
        _check_kind(kind, folder, shown)
        by_diffusers = issubclass(kind, diffusers.ModelMixin)
        stem = STEMS["diffusers" if by_diffusers else "transformers"]
        return load_network(kind, folder, shown, stem, part_weights(folder, shown, precision), dtype)


def _folder(source: str, called: str) -> Path:
    folder = Path(source).expanduser()
    if folder.is_dir():
        return folder
    found = ON_THE_HUB.fullmatch(source)
    if folder.exists() or found is None:
        raise NotReady(f"{called} {folder.name} is neither a local folder nor one on the hub")
    inside = f"{found['path']}/" if found["path"] else ""
    fetched = snapshot_download(  # nosec B615
        found["id"],
        allow_patterns=[f"{inside}{pattern}" for pattern in (*CONFIGURATION, "*.safetensors")],
        local_files_only=offline(),
    )
    return Path(fetched) / inside


def _check_kind(kind: Any, folder: Path, shown: str) -> None:
    config = read_json(folder / "config.json", f"{shown}/config.json")
    if issubclass(kind, transformers.PreTrainedModel):
        fits = kind.__name__ in (config.get("architectures") or [kind.__name__])
    else:
        fits = config.get("_class_name") == kind.__name__
    if not fits:
        raise ModelUnusable(f"{shown} is not a {kind.__name__}")
