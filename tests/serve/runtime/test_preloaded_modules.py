"""The fork server's imports, depending on what is served."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from serve.config import serve_file
from serve.runtime import preloaded_modules
from serve.runtime.preloaded_modules import REPLICAS


def test_bundled_models_bring_their_painter() -> None:
    config = serve_file.load("serve/local.yaml").config
    painter = "deployments.diffusion.model.pipeline_painter"
    assert preloaded_modules.of_replicas(config) == (*REPLICAS, painter)


def test_simulated_replicas_bring_no_torch() -> None:
    config = serve_file.load("serve/simulated.yaml").config
    assert preloaded_modules.of_replicas(config) == REPLICAS


def test_a_gpu_keeps_torch_out_of_the_process_that_forks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(preloaded_modules, "DEVICES", (os.devnull,))
    config = serve_file.load("serve/local.yaml").config
    assert preloaded_modules.of_replicas(config) == REPLICAS


def test_command_line_imports_neither_ray_nor_torch() -> None:
    code = "import sys, serve.cli; sys.exit(any(name in sys.modules for name in ('ray', 'torch', 'fastapi')))"
    subprocess.run([sys.executable, "-c", code], check=True)
