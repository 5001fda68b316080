"""The Dockerfile, checked by hadolint and for what it must contain."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from serve.http import haproxy_launcher, proxy_hook

REPOSITORY = Path(__file__).parents[2]
DOCKERFILE = REPOSITORY / "Dockerfile"
HADOLINT = Path(sys.executable).with_name("hadolint")


def lint(file: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([HADOLINT, "--no-color", file], capture_output=True, text=True)


def test_hadolint_finds_nothing() -> None:
    result = lint(DOCKERFILE)
    assert (result.returncode, result.stdout) == (0, "")


def test_hadolint_finds_what_is_wrong(tmp_path: Path) -> None:
    file = tmp_path / "Dockerfile"
    file.write_text("FROM debian:latest\nRUN apt-get install x\n")
    assert lint(file).returncode == 1


def test_each_target_ends_as_an_ordinary_user() -> None:
    text = DOCKERFILE.read_text()
    assert re.findall(r"^FROM (\S+) AS (cpu|cuda)$", text, re.M) == [("runtime", "cpu"), ("runtime", "cuda")]
    assert re.findall(r"^USER (\S+)$", text, re.M) == ["1000:1000"]


@pytest.mark.parametrize("source", re.findall(r"^COPY (?!--from)(.+) \S+$", DOCKERFILE.read_text(), re.M))
def test_what_is_copied_is_there_and_not_ignored(source: str) -> None:
    kept = [line[1:] for line in (REPOSITORY / ".dockerignore").read_text().splitlines() if line[:1] == "!"]
    for name in source.split():
        assert (REPOSITORY / name).exists()
        assert name in kept


def test_no_address_of_a_registry_is_in_it() -> None:
    assert "://" not in re.sub(r"http://127\.0\.0\.1:8000/\S+", "", DOCKERFILE.read_text())


def test_every_listening_process_in_it_is_bounded() -> None:
    text = DOCKERFILE.read_text()
    assert f"RAY_SERVE_HTTP_PROXY_CALLBACK_IMPORT_PATH={proxy_hook.IMPORT_PATH} " in text
    assert f"RAY_SERVE_HAPROXY_BINARY_PATH=/opt/scenewright/bin/{haproxy_launcher.SCRIPT} " in text
    scripts = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]["scripts"]
    assert scripts[haproxy_launcher.SCRIPT] == "serve.http.haproxy_launcher:main"


def test_the_service_owns_nothing_that_it_runs() -> None:
    """It owns neither the code nor the code's folder, and may write only its state and the models."""
    text = DOCKERFILE.read_text()
    assert "--chown" not in text
    assert re.findall(r"^WORKDIR (\S+)$", text, re.M)[-1] == "/srv/scenewright"
    assert "chmod -R u=rX,go=rX serve deployments models" in text
    assert re.findall(r"install -d .*", text) == [
        "install -d -m 0700 -o scenewright -g scenewright /models /var/lib/scenewright"
    ]


def test_the_base_image_takes_a_digest() -> None:
    text = DOCKERFILE.read_text()
    stages = re.findall(r"^FROM (\S+) AS \S+$", text, re.M)
    assert set(stages) == {"${PYTHON_IMAGE}", "runtime"}
    assert "sha256:" not in text, "scripts/digests looks it up"
