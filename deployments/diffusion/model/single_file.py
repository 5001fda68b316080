"""Load a model from one file in Stability's own layout, with the sampling that the file declares."""

from __future__ import annotations

import inspect
import traceback
from pathlib import Path
from typing import Any

import diffusers

from deployments.diffusion.model.checkpoint import pipeline_class, sampling
from deployments.diffusion.model.hub import offline
from deployments.diffusion.model.load_errors import blamed, diagnose
from deployments.diffusion.model.model_files import (
    NOT_LOADED,
    check_single_file,
    check_words,
    parts_of,
    read_index,
)
from deployments.diffusion.model.sampler import as_trained
from deployments.diffusion.model.text_to_image import check_parts
from deployments.errors import ModelUnusable

Pipeline = Any
library: Any = diffusers
LOADS_A_PART = "load_single_file_sub_model"
"""The diffusers function that loads one part, whose name is its local variable `name`."""


def load_single_file(file: Path, dtype: Any, class_arguments: dict[str, dict[str, Any]]) -> Pipeline:
    """Load the pipeline of a checkpoint. Raises NotReady or ModelUnusable, naming the part and the file.

    A checkpoint has no configuration. It comes from a folder of its name beside it, else from the hub.
    """
    header = check_single_file(file)
    kind = pipeline_class(header, file.name)
    beside = file.with_suffix("")
    if beside.is_dir():
        for part in parts_of(read_index(beside, beside.name)):
            if part.startswith("tokenizer"):
                check_words(beside / part, f"{beside.name}/{part}")
    made = getattr(library, kind)
    not_loaded = [part for part in NOT_LOADED if part in inspect.signature(made.__init__).parameters]
    with blamed(file.name):
        try:
            pipeline = made.from_single_file(
                str(file),
                dtype=dtype,
                config=str(beside) if beside.is_dir() else None,
                local_files_only=offline(),
                **dict.fromkeys(not_loaded),
                **class_arguments[kind],
            )
        except Exception as error:
            reason, why = diagnose(error)
            part = _part_at_fault(error)
            configured = f"by the folder {beside.name}" if beside.is_dir() else "from the hub"
            raise reason(
                f"{file.name}: {part}, configured {configured}, could not be loaded: {why}"
            ) from error
        _check_complete(pipeline, file.name)
        encoders = [part for name, part in pipeline.components.items() if name.startswith("text_encoder")]
        configs = [encoder.config.to_dict() for encoder in encoders]
        check_parts(pipeline.unet.config, pipeline.vae.config, configs, file.name)
        pipeline.scheduler = as_trained(pipeline.scheduler, sampling(header), file.name)
    return pipeline


def _check_complete(pipeline: Pipeline, shown: str) -> None:
    """Raise ModelUnusable if the checkpoint left weights of a part without a value."""
    for name, part in pipeline.components.items():
        missing = [key for key, each in getattr(part, "named_parameters", list)() if each.is_meta]
        if missing:
            raise ModelUnusable(
                f"{shown}: {name} lacks {len(missing)} of its weights, including {missing[0]}"
            )


def _part_at_fault(error: Exception) -> str:
    """Return the part that diffusers was loading, or "the pipeline" if there was none."""
    raised: BaseException | None = error
    while raised is not None:  # diffusers raises some errors again as others.
        for frame, _ in traceback.walk_tb(raised.__traceback__):
            if frame.f_code.co_name == LOADS_A_PART:
                return str(frame.f_locals.get("name", "a part"))
        raised = raised.__context__
    return "the pipeline"
