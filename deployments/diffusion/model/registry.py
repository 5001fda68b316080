"""List the known models with their licences, and make a card for any other."""

from __future__ import annotations

import json
import tomllib
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cache, lru_cache
from pathlib import Path
from typing import Any, Literal

from deployments.diffusion.model.checkpoint import own_size, pipeline_class
from deployments.diffusion.model.counted_memory import counted_memory_gb
from deployments.diffusion.model.families import detect, family_named, family_of
from deployments.diffusion.model.family import Family, Task
from deployments.diffusion.model.model_config import ModelConfig
from deployments.diffusion.model.model_files import check_single_file
from deployments.diffusion.model.unet_families import UNKNOWN
from deployments.errors import NotReady

ModelKind = Literal["character", "background", "any"]
CommercialUse = Literal["yes", "with restrictions", "no", "unknown: see the model's own card"]

BUNDLED_FOLDER = Path(__file__).resolve().parents[3] / "models"
XL_PIPELINE = "StableDiffusionXLPipeline"
CARD_FILES = ("model_index.json", "unet/config.json", "transformer/config.json", "vae/config.json")
UNKNOWN_LICENCE = "unknown: see the model's own card"


@dataclass(frozen=True)
class ModelCard:
    """Facts about a model for callers. `memory_gb` is (least, most), None if it is not known.

    `family` follows from its files, or is the one that the operator named. `num_inference_steps` and
    `guidance_scale` are the model's own defaults if they differ from its family's. `licence_source` is where
    the licence was read. `trained_sizes` are all (width, height) it was trained on, if they are few and other
    sizes come out worse.
    """

    id: str
    kind: ModelKind
    pipeline: str
    licence: str
    attribution: str
    attribution_mark: str
    commercial_use: CommercialUse
    native_size: tuple[int, int]
    latent_factor: int
    memory_gb: tuple[float, float] | None = None
    aliases: tuple[str, ...] = ()
    trained_sizes: tuple[tuple[int, int], ...] = ()
    bundled: bool = False
    family: Family = UNKNOWN
    num_inference_steps: int | None = None
    guidance_scale: float | None = None
    licence_source: str = ""

    @property
    def tasks(self) -> tuple[Task, ...]:
        return self.family.tasks


def _known_models() -> tuple[ModelCard, ...]:
    text = (Path(__file__).parent / "models.toml").read_text(encoding="utf-8")
    rows: list[dict[str, Any]] = tomllib.loads(text)["model"]
    for row in rows:
        row |= {key: _frozen(value) for key, value in row.items()}
        row["family"] = family_named(row["family"])
    return tuple(ModelCard(**row) for row in rows)


def _frozen(value: Any) -> Any:
    return tuple(map(_frozen, value)) if isinstance(value, list) else value


KNOWN_MODELS = _known_models()


def describe(source: str) -> ModelCard:
    """Return the card of a known model, or make one for any other.

    Use it for configured sources only, since it opens any path given.
    """
    bundled = _bundled_of_path(source)
    for card in KNOWN_MODELS:
        if source == card.id or source in card.aliases or bundled == card.id:
            return card
    place = locate(source)
    return _read_card(source, place, _stamp(place))


def card_of(model: ModelConfig) -> ModelCard:
    """Return a configured model's card. Its family is the one that the operator named, if any."""
    card = describe(model.source)
    if model.family is None or model.family == card.family.name:
        return card
    family = family_named(model.family)
    if card.family != UNKNOWN:
        return replace(card, family=family.distilled() if card.family.is_distilled else family)
    factor = family.vae_factor * family.patch
    return replace(card, family=family, native_size=family.native_size, latent_factor=factor)


def _read_denoiser(folder: Path, index: dict[str, Any]) -> dict[str, Any]:
    return _read_json(folder / family_of(str(index.get("_class_name"))).denoiser / "config.json")


def bundled_model(name: str) -> Path:
    """Return the folder of a bundled model. Raises NotReady for a name that is not one."""
    if not any(card.bundled and card.id == name for card in KNOWN_MODELS):
        raise NotReady(f"there is no bundled model called {name}")
    return BUNDLED_FOLDER / name


def locate(source: str) -> Path | None:
    """Return a model's path on this machine. None if `source` can only be a hub id, or nothing at all."""
    if any(card.bundled and card.id == source for card in KNOWN_MODELS):
        return bundled_model(source)
    path = Path(source).expanduser()
    return path if path.exists() else None


@cache  # Called several times a request, with a look at every folder of the path. Sources are few.
def _bundled_of_path(source: str) -> str | None:
    path = Path(source).expanduser().resolve()
    return path.name if path.parent == BUNDLED_FOLDER else None


@lru_cache(maxsize=64)  # Called several times a request. A file is read again when it has changed.
def _read_card(source: str, place: Path | None, stamp: object) -> ModelCard:
    name = source if place is None else (place.resolve().stem if place.is_file() else place.resolve().name)
    return _custom_card(name, place)


def _stamp(place: Path | None) -> object:
    """Return a value that changes when one of the files that a card is made from changes."""
    found: list[tuple[int, int] | None] = []
    for file in () if place is None else (place, *(place / name for name in CARD_FILES)):
        try:
            state = file.stat()
            found.append((state.st_mtime_ns, state.st_size))
        except OSError:
            found.append(None)
    return tuple(found)


def _custom_card(name: str, place: Path | None) -> ModelCard:
    pipeline, latent_factor, native_size, family = "unknown", 8, (512, 512), UNKNOWN
    if place is not None and place.is_dir():
        index, vae = _read_json(place / "model_index.json"), _read_json(place / "vae" / "config.json")
        denoiser = _read_denoiser(place, index)
        family = detect(index, denoiser, name) or UNKNOWN
        vae_factor = _vae_factor(vae)
        latent_factor = vae_factor * family.patch
        native_size = _native_size(denoiser, vae, vae_factor, family)
        pipeline = str(index.get("_class_name", pipeline))
    elif place is not None:
        with suppress(NotReady):  # Loading says what is wrong; a card is only a description.
            header = check_single_file(place)
            native_size = own_size(header) or native_size
            pipeline = pipeline_class(header, place.name)
            is_sd2 = any(name.startswith("cond_stage_model.model.") for name in header.names)
            family = family_named("sdxl" if pipeline == XL_PIPELINE else "sd2" if is_sd2 else "sd1")
            if pipeline == XL_PIPELINE:
                native_size = own_size(header) or (1024, 1024)
    return ModelCard(
        id=name,
        kind="any",
        pipeline=pipeline,
        licence=UNKNOWN_LICENCE,
        attribution=f"Generated with {name}",
        attribution_mark=f"Generated with {name}",
        commercial_use="unknown: see the model's own card",
        native_size=native_size,
        latent_factor=latent_factor,
        memory_gb=None if place is None else counted_memory_gb(place),
        family=family,
    )


def _vae_factor(vae: dict[str, Any]) -> int:
    """Return the pixels along one side of a latent. Each level but the first halves the picture."""
    levels = vae.get("block_out_channels") or vae.get("decoder_block_out_channels")
    halvings = vae.get("temperal_downsample")  # Qwen-Image's, spelled as diffusers spells it.
    if isinstance(halvings, list) and halvings:
        return int(2 ** len(halvings))
    return int(2 ** (len(levels) - 1)) if isinstance(levels, list) and levels else 8


def _native_size(
    denoiser: dict[str, Any], vae: dict[str, Any], vae_factor: int, family: Family
) -> tuple[int, int]:
    of_denoiser = family.size_from == "denoiser"
    size, factor = (denoiser.get("sample_size"), vae_factor) if of_denoiser else (vae.get("sample_size"), 1)
    if isinstance(size, int):
        return size * factor, size * factor
    if isinstance(size, list) and len(size) == 2:
        return int(size[1]) * factor, int(size[0]) * factor  # diffusers says (height, width)
    return family.native_size


def _read_json(file: Path) -> dict[str, Any]:
    try:
        content = json.loads(file.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}
