"""The bill of materials that scripts/audit writes: valid, and complete for all locked packages."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from tests.support.locks import LOCK, REPOSITORY, entries, pin_of

AUDIT = REPOSITORY / "scripts/audit"


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Run the script's command; return the file that it writes."""
    file = tmp_path_factory.mktemp("audit") / "sbom.cdx.json"
    script = AUDIT.read_text().replace("\\\n", " ")
    found = re.search(r"^\.venv/bin/(cyclonedx-py) (.+) --output-file build/sbom\.cdx\.json$", script, re.M)
    assert found
    command = [Path(sys.executable).with_name(found[1]), *found[2].split(), "--output-file", file]
    subprocess.run(command, cwd=REPOSITORY, check=True, capture_output=True)
    return file.read_text()


@pytest.fixture(scope="module")
def bill(written: str) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(written)
    return content


def test_it_is_a_valid_cyclonedx_document(written: str, bill: dict[str, Any]) -> None:
    version = SchemaVersion.from_version(bill["specVersion"])
    assert JsonStrictValidator(version).validate_str(written) is None
    wrong = json.dumps(bill | {"components": [{"type": "liberty", "name": "a"}]})
    assert JsonStrictValidator(version).validate_str(wrong) is not None


def test_it_names_the_service_and_all_that_is_locked(bill: dict[str, Any]) -> None:
    assert bill["metadata"]["component"]["name"] == "scenewright"
    reported = {each["name"]: each["version"] for each in bill["components"]}
    assert reported == {name: str(pin_of(requirement)) for name, (requirement, _) in entries(LOCK).items()}


def test_every_part_has_its_hashes(bill: dict[str, Any]) -> None:
    for part in bill["components"]:
        (distribution,) = part["externalReferences"]
        assert {each["alg"] for each in distribution["hashes"]} == {"SHA-256"}
