"""Load one network from its weight files, and check that all its weights were there."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from deployments.diffusion.model.load_errors import blamed, misshapen
from deployments.diffusion.model.safetensors_header import Header
from deployments.errors import ModelUnusable

UNREAD = {"AutoencoderTiny": frozenset({"block_out_channels"})}
"""Keys that a diffusers class writes into its config.json, and warns about when it reads them."""
SAFELY = {"use_safetensors": True, "trust_remote_code": False}
REPORTING = SAFELY | {"output_loading_info": True}


def load_network(
    kind: Any, folder: Path, shown: str, stem: str, weights: Mapping[str, Header], dtype: Any, **more: Any
) -> Any:
    """Load one network of class `kind` from these weight files of its folder.

    `more` is its quantization, if any. Raises NotReady or ModelUnusable, naming the file.
    """
    files = next(iter(weights)) if len(weights) == 1 else f"{len(weights)} shards"
    unread = UNREAD.get(kind.__name__, frozenset())
    with blamed(f"{shown} ({files})"), _plainly_named(folder, stem, weights, unread) as plain:
        network, found = kind.from_pretrained(
            str(plain),
            dtype=dtype,
            local_files_only=True,
            ignore_mismatched_sizes=True,
            **REPORTING,
            **more,
        )
        check_weights(found, shown, weights)
    return network


def check_weights(found: Mapping[str, Any], shown: str, weights: Mapping[str, Header]) -> None:
    """Raise ModelUnusable if some of a network's weights are not in its files, or have another shape there.

    `found` is from_pretrained's report of them. Both libraries would give them random values, with a warning.
    """
    for name, there, wanted in sorted(found["mismatched_keys"]):
        file = next((f" ({file})" for file, header in weights.items() if name in header), "")
        raise ModelUnusable(f"{shown}{file}: {misshapen(name, tuple(there), tuple(wanted))}")
    missing = sorted(found["missing_keys"])
    if missing:
        files = f" ({', '.join(weights)})" if weights else ""
        raise ModelUnusable(f"{shown} lacks {len(missing)} of its weights, including {missing[0]}{files}")


@contextmanager
def _plainly_named(
    folder: Path, stem: str, weights: Mapping[str, Header], unread: Collection[str] = ()
) -> Iterator[Path]:
    """Make a folder of links, in which the chosen weights have the one name that both libraries look for.

    Its config.json lacks the keys that are `unread`.

    Variants and shards have several spellings, and each library reads different ones.
    """
    with tempfile.TemporaryDirectory(prefix="scenewright-weights-") as made:
        plain = Path(made)
        for file in folder.iterdir():
            if file.suffix == ".json" and ".index." not in file.name:
                (plain / file.name).symlink_to(file.resolve())
        if unread:
            _leave_out(plain / "config.json", unread)
        if len(weights) == 1:
            (plain / f"{stem}.safetensors").symlink_to((folder / next(iter(weights))).resolve())
        else:
            _link_shards(folder, plain, stem, weights)
        yield plain


def _leave_out(config: Path, keys: Collection[str]) -> None:
    """Replace a link to a configuration by a copy without these keys. An unreadable one stays as it is."""
    try:
        read = json.loads(config.read_text(encoding="utf-8"))
        kept = {key: value for key, value in read.items() if key not in keys}
    except (OSError, ValueError, AttributeError):
        return
    config.unlink()
    config.write_text(json.dumps(kept), encoding="utf-8")


def _link_shards(folder: Path, plain: Path, stem: str, weights: Mapping[str, Header]) -> None:
    weight_map: dict[str, str] = {}
    for number, (name, header) in enumerate(weights.items(), 1):
        link = f"{stem}-{number:05d}-of-{len(weights):05d}.safetensors"
        (plain / link).symlink_to((folder / name).resolve())
        weight_map |= dict.fromkeys(header.names, link)
    index = {"metadata": {"total_size": 0}, "weight_map": weight_map}
    (plain / f"{stem}.safetensors.index.json").write_text(json.dumps(index), encoding="utf-8")
