"""Run the load test's commands."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from loadtest.command_line import main

MIX = {"characters": ["a"], "backgrounds": ["b"], "requests": [{"name": "scene", "frame": ["64x64"]}]}


@pytest.fixture
def mix_file(tmp_path: Path) -> str:
    file = tmp_path / "mix.json"
    file.write_text(json.dumps(MIX))
    return str(file)


def reported(*words: object) -> Result:
    return CliRunner().invoke(main, [str(word) for word in words])
