"""`scenewright scene --lora`: names and scales, separate for each layer."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.stub_service import Stub, run
from tests.support.stub_service import server as server


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_each_layer_has_its_own(server: Stub) -> None:
    loras = ["--lora", "ink:0.8", "--lora", "a:b", "--lora", "wash:-1", "--background-lora", "mist"]
    result = run("scene", "a", "b", "-o", "s.png", "--character", "c", *loras, "--url", server.url)
    assert result.exit_code == 0, result.output
    asked = server.requested[-1]
    assert asked["characters"] == [
        {
            "prompt": "a",
            "loras": [{"name": "ink", "scale": 0.8}, {"name": "a:b"}, {"name": "wash", "scale": -1}],
        },
        {"prompt": "c"},
    ]
    assert asked["background"] == {"prompt": "b", "loras": [{"name": "mist"}]}


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("", "must begin with the name of a LoRA"),
        (":0.5", "must begin with the name of a LoRA"),
        ("ink:nan", "must be a finite number"),
        ("ink:inf", "must be a finite number"),
        ("ink:1e999", "must be a finite number"),
    ],
)
def test_what_is_no_name_and_scale(written: str, said: str) -> None:
    result = run("scene", "a", "b", "-o", "s.png", "--lora", written, "--url", "http://127.0.0.1:9")
    assert (result.exit_code, "--lora" in result.output) == (2, True)
    assert said in " ".join(result.output.replace("│", " ").split())
