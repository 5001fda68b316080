"""Say which part of a model could not be loaded, and why."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager

from huggingface_hub.errors import (
    EntryNotFoundError,
    GatedRepoError,
    LocalEntryNotFoundError,
    OfflineModeIsEnabled,
    RepositoryNotFoundError,
)
from safetensors import SafetensorError

from deployments.errors import ModelUnusable, NotReady

log = logging.getLogger(__name__)

MISSING_PACKAGE = re.compile(
    r"requires the ([\w.-]+) library|make sure to install [`']?([\w.-]+)|pip install ([\w.-]+)", re.IGNORECASE
)
TORCH_MISMATCH = re.compile(
    r"size mismatch for (?P<name>[\w.]+): copying a param with shape torch\.Size\(\[(?P<file>[\d, ]*)\]\)"
    r".*?current model is torch\.Size\(\[(?P<model>[\d, ]*)\]\)",
    re.DOTALL,
)
DIFFUSERS_MISMATCH = re.compile(
    r"because (?P<name>[\w.]+) expected shape .*?\[(?P<model>[\d, ]*)\]\)?, but got .*?\[(?P<file>[\d, ]*)\]",
    re.DOTALL,
)
LONGEST_REASON = 240
PATHS = re.compile(r"(?:/[^\s/'\"]+)+/(?=[^\s/'\"])")


@contextmanager
def blamed(part: str) -> Iterator[None]:
    """Turn errors inside the block into NotReady or ModelUnusable, with a message that names `part`."""
    try:
        yield
    except NotReady:
        raise
    except Exception as error:
        log.exception("loading %s failed", part)
        kind, why = diagnose(error)
        raise kind(f"{part} could not be loaded: {why}") from error


def diagnose(error: Exception) -> tuple[type[NotReady], str]:
    """Return NotReady if the cause can pass, else ModelUnusable, and a short description of the cause."""
    # torch's own out-of-memory error is known by its name, since this module does not import torch.
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return NotReady, "there is not enough memory for it"
    if isinstance(error, ImportError):
        return ModelUnusable, _missing_package(error)
    if isinstance(error, SafetensorError):
        return ModelUnusable, f"its weights are corrupt: {_first_line(error)}"
    if isinstance(error, json.JSONDecodeError):
        return ModelUnusable, "one of its configuration files is not valid JSON"
    if hub := _hub(error):
        return hub
    if isinstance(error, OSError):
        return NotReady, _unreadable(error)
    if "PEFT backend is required" in str(error):
        return ModelUnusable, "it needs the Python package peft, which is not installed"
    if "out of meta tensor" in str(error):  # torch's message for a weight that no file has given a value.
        return ModelUnusable, "some of its weights are missing"
    return ModelUnusable, mismatch(error) or _first_line(error)


def mismatch(error: Exception) -> str:
    """Describe the first weight whose shape differs from the model's; empty if that is not the cause."""
    text = str(error)
    found = TORCH_MISMATCH.search(text) or DIFFUSERS_MISMATCH.search(text)
    if found is None:
        return ""
    there, wanted = (tuple(map(int, re.findall(r"\d+", found[side]))) for side in ("file", "model"))
    return misshapen(found["name"], there, wanted)


def misshapen(name: str, there: tuple[int, ...], wanted: tuple[int, ...]) -> str:
    """Describe a weight whose shape in the file differs from the model's."""
    return f"its weight {name} has shape {list(there)} instead of {list(wanted)}"


def _missing_package(error: ImportError) -> str:
    found = MISSING_PACKAGE.search(str(error))
    package = error.name or (next(filter(None, found.groups())) if found else None)
    if package is None:
        return _first_line(error)
    return f"it needs the Python package {package}, which is not installed"


def _hub(error: Exception) -> tuple[type[NotReady], str] | None:
    causes = [error, error.__cause__, error.__context__]
    if any(isinstance(each, GatedRepoError) for each in causes):
        return ModelUnusable, "accept its licence on the hub and set HF_TOKEN"
    if any(isinstance(each, RepositoryNotFoundError) for each in causes):
        return ModelUnusable, "the hub has no such model, or it is private and HF_TOKEN is not set"
    if isinstance(error, EntryNotFoundError) and not isinstance(error, LocalEntryNotFoundError):
        return ModelUnusable, f"the hub lacks one of its files: {_first_line(error)}"
    if any(isinstance(each, OfflineModeIsEnabled) for each in causes):
        return NotReady, "it is not on this machine, and HF_HUB_OFFLINE forbids requests to the hub"
    if isinstance(error, LocalEntryNotFoundError | ConnectionError) or any(map(_is_http, causes)):
        return NotReady, "the hub cannot be reached, and not all of it is on this machine"
    return None


def _is_http(error: BaseException | None) -> bool:
    """Return whether it is an error of httpx, the hub client's HTTP library."""
    return any(kind.__module__.startswith("httpx") for kind in type(error).__mro__)


def _unreadable(error: OSError) -> str:
    if isinstance(error.filename, str) and error.strerror:
        return f"{error.filename.rpartition('/')[2]} cannot be read: {error.strerror}"
    return f"one of its files is missing or cannot be read: {_first_line(error)}"


def _first_line(error: Exception) -> str:
    """Return the error's first line for callers, without the folders of this machine."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()] or [type(error).__name__]
    line = lines[-1] if "following error" in lines[0] else lines[0]
    return PATHS.sub("", line)[:LONGEST_REASON]
