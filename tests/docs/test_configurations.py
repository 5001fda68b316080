"""The service accepts every configuration in the documentation.

Those of docs/models.md are in tests/serve/config/test_models_page.py.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import ValidationError

from serve.config.service_config import ServiceConfig

REPOSITORY = Path(__file__).parents[2]
EXAMPLES = [
    (str(page.relative_to(REPOSITORY)), yaml.safe_load(block))
    for page in (REPOSITORY / "README.md", *sorted((REPOSITORY / "docs").rglob("*.md")))
    if page.name != "models.md"
    for block in re.findall(r"^ *```yaml\n(.*?)^ *```", page.read_text(encoding="utf-8"), re.M | re.S)
]
OTHERS = {
    "docs/cluster.md": "a patch of kustomize's, a list",
    "docs/docker.md": "Compose's, tests/docker/test_compose.py",
    "docs/guides/cast.md": "a list of poses",
}


def settings(example: Any) -> dict[str, Any] | None:
    """Return the service's settings in an example; None if it configures something else."""
    if not isinstance(example, dict) or "services" in example:
        return None
    if "applications" in example:
        return settings(example["applications"][0])
    return dict(example.get("args", example))


@pytest.mark.parametrize(("page", "example"), EXAMPLES, ids=[page for page, _ in EXAMPLES])
def test_it_is_valid(page: str, example: Any) -> None:
    given = settings(example)
    if given is None:
        assert page in OTHERS
    else:
        ServiceConfig.model_validate(given)


def test_a_mistake_is_seen() -> None:
    with pytest.raises(ValidationError, match="conccurrency"):
        ServiceConfig.model_validate(settings({"jobs": {"conccurrency": 1}}))
