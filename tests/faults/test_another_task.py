"""A model of another task under a real `scenewright serve`: refused, and a log that is kept says why."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import httpx
import pytest
import yaml

from serve.runtime.listen_address import free_port
from tests.support.drill_row import Row
from tests.support.polling import until

REPOSITORY = Path(__file__).parents[2]

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


def inpainting_model(folder: Path) -> Path:
    """Copy the bundled model with a UNet that reads a mask and a masked picture as well."""
    shutil.copytree(REPOSITORY / "models/storybook-character", folder)
    (folder / "SHA256SUMS").unlink()
    config = folder / "unet/config.json"
    unet = json.loads(config.read_text())
    config.write_text(json.dumps(unet | {"in_channels": 2 * unet["in_channels"] + 1}))
    return folder


def test_a_model_of_another_task(tmp_path: Path, row: Row) -> None:
    row.promises(
        "a model of another task (inpainting) under `scenewright serve`",
        "`/readyz` 503 names the task; the log that start-up names outlives the stop and holds the reason",
    )
    content = yaml.safe_load((REPOSITORY / "serve/simulated.yaml").read_text())
    application = content["applications"][0]["args"]
    model = inpainting_model(tmp_path / "inpainting")
    application["character"]["generator"] = {"model": {"source": str(model), "threads": 1}}
    file, out = tmp_path / "serve.yaml", tmp_path / "out"
    file.write_text(yaml.safe_dump(content))
    port = free_port()
    command = [sys.executable, "-m", "serve.cli", "serve", "--config", str(file), "--port", str(port)]
    environment = {**os.environ, "SCENEWRIGHT_STATE_DIR": str(tmp_path / "state")}
    with out.open("w") as written:
        server = subprocess.Popen(
            command, cwd=REPOSITORY, env=environment, stdout=written, stderr=subprocess.STDOUT
        )
    try:

        def reason() -> str | None:
            assert server.poll() is None, out.read_text()
            try:
                reported = httpx.get(f"http://127.0.0.1:{port}/readyz", trust_env=False, timeout=5)
            except httpx.TransportError:
                return None
            return reported.text if reported.status_code == 503 and "inpainting" in reported.text else None

        reported = json.loads(until(reason, timeout_s=180))
    finally:
        server.send_signal(signal.SIGINT)
        server.wait(90)
    named = re.search(r"logs in (\S+)", out.read_text())
    assert named, out.read_text()
    kept = "".join(file.read_text() for file in Path(named[1]).rglob("*") if file.is_file())
    assert "inpainting" in kept
    row.saw(f"503: {reported['error']['message']}; {len(kept.splitlines())} lines of log kept")
