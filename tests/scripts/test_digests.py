"""scripts/digests, with a fake docker that answers for the registry, and kubectl's kustomize."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

REPOSITORY = Path(__file__).parents[2]
DIGESTS = {
    "python:3.12-slim-bookworm": "sha256:" + "a" * 64,
    "redis:7.4-bookworm": "sha256:" + "b" * 64,
    "registry.example:5000/team/scenewright:cuda": "sha256:" + "c" * 64,
    "registry.example/scenewright": "sha256:" + "d" * 64,
    "registry.example/broken:cuda": "latest",
}
DOCKER = f"""#!{sys.executable}
import sys
print({DIGESTS!r}.get(sys.argv[-1]) or sys.exit("not found"))
"""


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    for name in ("kubernetes", "scripts"):
        shutil.copytree(REPOSITORY / name, tmp_path / name)
    shutil.copy(REPOSITORY / "Dockerfile", tmp_path)
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/docker").write_text(DOCKER)
    (tmp_path / "bin/docker").chmod(0o755)
    return tmp_path


def run(checkout: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    path = f"{checkout / 'bin'}:{os.environ['PATH']}"
    command = [checkout / "scripts/digests", *arguments]
    return subprocess.run(command, capture_output=True, text=True, env={**os.environ, "PATH": path})


def images(overlay: Path) -> set[str]:
    kubectl = Path(sys.executable).with_name("kubectl")
    output = subprocess.run(
        [kubectl, "kustomize", overlay], check=True, capture_output=True, text=True
    ).stdout
    return {line.split()[-1] for line in output.splitlines() if line.strip(" -").startswith("image: ")}


def test_the_base_image_of_a_build(checkout: Path) -> None:
    image = "python:3.12-slim-bookworm"
    assert run(checkout, "build").stdout == f"--build-arg PYTHON_IMAGE={image}@{DIGESTS[image]}\n"


@pytest.mark.parametrize(
    ("overlay", "image", "name"),
    [
        ("cpu", "registry.example:5000/team/scenewright:cuda", "registry.example:5000/team/scenewright"),
        ("gpu", "registry.example/scenewright", "registry.example/scenewright"),
    ],
)
def test_every_image_of_an_overlay(checkout: Path, overlay: str, image: str, name: str) -> None:
    folder = checkout / "kubernetes/overlays" / overlay
    before = yaml.safe_load((folder / "kustomization.yaml").read_text())
    for _ in range(2):  # the second run replaces the first one's output
        done = run(checkout, "overlay", f"kubernetes/overlays/{overlay}", image)
        assert done.returncode == 0, done.stderr
    after = yaml.safe_load((folder / "kustomization.yaml").read_text())
    assert after | {"images": None} == before | {"images": None}
    assert images(folder) == {f"{name}@{DIGESTS[image]}", f"redis@{DIGESTS['redis:7.4-bookworm']}"}


def test_no_digest_is_invented(checkout: Path) -> None:
    file = checkout / "kubernetes/overlays/gpu/kustomization.yaml"
    before = file.read_text()
    for image in ("registry.example/unknown:1", "registry.example/broken:cuda"):
        done = run(checkout, "overlay", "kubernetes/overlays/gpu", image)
        assert done.returncode != 0 and "no digest found for" in done.stderr
        assert file.read_text() == before
    assert run(checkout, "overlay").returncode == 2
