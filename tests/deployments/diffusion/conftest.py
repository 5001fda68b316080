"""Save a tiny random-weight pipeline of each family as a diffusers folder, once per session."""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.support import tiny_families
from tests.support.fake_painter import FakePainter
from tests.support.tiny_models import one_thread as one_thread
from tests.support.tiny_models import tiny_sd1 as tiny_sd1
from tests.support.tiny_models import tiny_sd1_distilled as tiny_sd1_distilled
from tests.support.tiny_models import tiny_sd2 as tiny_sd2
from tests.support.tiny_models import tiny_sdxl as tiny_sdxl
from tests.support.tiny_models import tiny_sdxl_distilled as tiny_sdxl_distilled
from tests.support.tiny_models import tiny_sdxl_of_two_widths as tiny_sdxl_of_two_widths


@pytest.fixture
def fake_painter() -> FakePainter:
    return FakePainter()


@pytest.fixture
def gated_painter() -> FakePainter:
    return FakePainter(threading.Semaphore(0))


@pytest.fixture(scope="session")
def paint() -> Callable[[Any], Any]:
    """Return a function that paints 64 x 64 pixels in two steps, always with the same seed."""

    def two_steps(pipeline: Any) -> Any:
        requested: dict[str, Any] = {"num_inference_steps": 2, "width": 64, "height": 64, "output_type": "np"}
        return pipeline("a red knight", **requested, generator=torch.Generator().manual_seed(7)).images[0]

    return two_steps


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Return a function that makes a family's tiny random model once (tiny_families.py)."""

    @cache
    def made(name: str) -> Path:
        if name == "kolors":
            pytest.importorskip("sentencepiece")
        return tiny_families.save(name, tmp_path_factory.mktemp("models") / f"tiny-{name}")

    return made
