from __future__ import annotations

import pytest

from deployments.diffusion.model.model_config import ModelConfig


def test_fixed_rows_must_hold_a_guided_picture() -> None:
    assert ModelConfig("any", exact=True, exact_rows=2).exact_rows == 2
    with pytest.raises(ValueError, match="exact_rows must be at least 2"):
        ModelConfig("any", exact_rows=1)
