"""`scenewright merge` of the client: merge in a running service, with the service's own options."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result
from PIL import Image

from deployments.imaging.marks.attribution import TEXT
from scenewright.commands.merge import merge
from serve.commands.merge import merge as local
from serve.config.service_config import ServiceConfig
from serve.graph.scene import Graph
from serve.ingress import build_http
from tests.support.local_service import listening, served


@pytest.fixture(scope="module")
def url(config: ServiceConfig, graph: Graph) -> Iterator[str]:
    with listening(served(build_http(config, graph))) as address:
        yield address


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    paths = [tmp_path / "c.png", tmp_path / "b.png"]
    for path in paths:
        Image.effect_noise((64, 48), 50).convert("RGB").save(path)
    return paths


def run(command: click.Command, *words: object) -> Result:
    return CliRunner().invoke(command, [str(word) for word in words])


def test_it_merges_as_the_service_s_own_command(url: str, files: list[Path], tmp_path: Path) -> None:
    requested = ["--mode", "paste", "--position", "left", "--width", 256, "--height", 128, "--enhance"]
    (tmp_path / "layers").mkdir()
    there = ["-o", tmp_path / "there.png", "--layers", tmp_path / "layers", "--url", url]
    result = run(merge, *files, *requested, *there)
    assert result.exit_code == 0, result.output
    assert result.stdout.splitlines()[:2] == [str(tmp_path / "there.png"), "merge: paste, confidence 0.00"]
    here = run(local, *files, *requested, "-o", tmp_path / "here.png")
    assert here.exit_code == 0, here.output
    pictures = [Image.open(tmp_path / name).tobytes() for name in ("there.png", "here.png")]
    assert pictures[0] == pictures[1]
    assert (tmp_path / "layers/background.png").exists()


def test_several_figures(url: str, files: list[Path], tmp_path: Path) -> None:
    requested = [*files, "--character", files[0], "--width", 256, "--height", 128, "--position", "0.2"]
    requested += ["--position", "right", "--mode", "paste"]
    result = run(merge, *requested, "-o", tmp_path / "there.png", "--url", url)
    assert result.exit_code == 0, result.output
    assert result.stdout.count("merge: paste, confidence") == 2
    assert run(local, *requested, "-o", tmp_path / "here.png").exit_code == 0
    pictures = [Image.open(tmp_path / name).tobytes() for name in ("there.png", "here.png")]
    assert pictures[0] == pictures[1]
    further = tmp_path / "words.png"
    further.write_text("not a picture")
    broken = run(merge, *files, "--character", further, "-o", tmp_path / "n.png", "--url", url)
    assert broken.exit_code == 2
    assert f"Invalid value for --character: {further}: " in broken.stderr
    too_many = run(merge, *files, *["--character", files[0]] * 4, "-o", tmp_path / "n.png", "--url", url)
    assert "at most 4 figures are allowed" in too_many.stderr


def test_the_file_at_fault_is_named(url: str, files: list[Path], tmp_path: Path) -> None:
    files[1].write_text("not a picture")
    result = run(merge, *files, "-o", tmp_path / "m.png", "--url", url)
    assert result.exit_code == 2
    assert f"Invalid value for BACKGROUND.png: {files[1]}: " in result.stderr
    assert not (tmp_path / "m.png").exists()


def test_a_figure_that_cannot_be_cut_out_is_a_sentence(url: str, tmp_path: Path) -> None:
    Image.new("RGB", (64, 64), "red").save(tmp_path / "flat.png")
    flat = tmp_path / "flat.png"
    result = run(merge, flat, flat, "-o", tmp_path / "m.png", "--mode", "cutout", "--url", url)
    assert result.exit_code == 1
    assert "could not be cut out" in result.stderr


def test_both_commands_have_the_same_options() -> None:
    theirs = {name for each in merge.params for name in each.opts} - {"--url", "--api-key"}
    assert theirs == {name for each in local.params for name in each.opts}
    assert TEXT in " ".join(run(merge, "--help").output.split())
