from __future__ import annotations

from typing import Any

import pytest

from deployments.diffusion.model.model_config import ModelConfig


def test_fixed_rows_must_hold_a_guided_picture() -> None:
    assert ModelConfig("any", exact=True, exact_rows=2).exact_rows == 2
    with pytest.raises(ValueError, match="exact_rows must be at least 2"):
        ModelConfig("any", exact_rows=1)


@pytest.mark.parametrize(
    "other",
    [
        {"device": "auto"},
        {"device": "cuda"},
        {"painter": "denoiser"},
        {"exact": True},
        {"offload": "model"},
        {"lazy_load": True},
        {"unload_after_idle_s": 60.0},
        {"lora_folder": "loras"},
    ],
    ids=str,
)
def test_what_cannot_change_over_while_it_paints_is_refused(other: dict[str, Any]) -> None:
    fitting = {"compile": "auto", "device": "cpu"}
    assert ModelConfig("any", **fitting).compile == "auto"
    [key] = other
    with pytest.raises(ValueError, match=f"(compile: auto.*{key}|{key}.*compile: auto)"):
        ModelConfig("any", **fitting | other)
