"""Run on a real GPU; TESTS_GPU_DEVICE allows trying these tests on a CPU too."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
import torch

from tests.support.bench_runs import bench as bench
from tests.support.tiny_models import tiny_sd1 as tiny_sd1
from tests.support.tiny_models import tiny_sdxl as tiny_sdxl

NO_GPU = "no GPU here: the engine on a GPU was NOT tested (it needs CUDA, and a torch built for it)"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "tests/gpu/" in item.path.as_posix():
            item.add_marker(pytest.mark.gpu)


@pytest.fixture(scope="session")
def device() -> str:
    """Return `cuda`, or the value of TESTS_GPU_DEVICE: `cpu` tries the tests themselves without a GPU."""
    named = os.environ.get("TESTS_GPU_DEVICE", "cuda")
    if named == "cuda" and not torch.cuda.is_available():
        pytest.skip(NO_GPU)
    return named


@pytest.fixture(autouse=True)
def whole_single_precision() -> Iterator[None]:
    """Convolve float32 in full precision: cuDNN uses the shorter TF32 by default."""
    before = torch.backends.cudnn.allow_tf32
    torch.backends.cudnn.allow_tf32 = False
    yield
    torch.backends.cudnn.allow_tf32 = before
