"""A byte order mark before JSON, YAML or a list is ignored by all our readers."""

from __future__ import annotations

import json
import shutil
from codecs import BOM_UTF8
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import httpx
import pytest
from click.testing import CliRunner
from PIL import Image

from deployments.diffusion.model.model_files import check_model_files
from deployments.diffusion.model.registry import describe
from examples.storyboard import main as paint_storyboard
from loadtest.commands.compare import _read as read_summary
from loadtest.traffic import arrivals, mix, record
from serve.cli import main
from serve.config import serve_file
from serve.planning.device_profile import LayerProfile, Profile, read_profile
from tests.support.local_service import REPOSITORY
from tests.support.scene_requests import SCENE


def marked(file: Path) -> Path:
    """Add a byte order mark to the file; return it."""
    content = file.read_bytes()
    assert not content.startswith(BOM_UTF8)
    file.write_bytes(BOM_UTF8 + content)
    return file


async def test_a_body(client: httpx.AsyncClient) -> None:
    for route, body in (("/v1/scenes", SCENE), ("/v1/jobs", {"scenes": [SCENE]})):
        content = BOM_UTF8 + json.dumps(body).encode()
        response = await client.post(route, content=content, headers={"Content-Type": "application/json"})
        assert response.status_code in (200, 202)


@pytest.mark.parametrize("as_file", [True, False])
async def test_the_options_of_a_merge(client: httpx.AsyncClient, as_file: bool) -> None:
    file = BytesIO()
    Image.new("RGB", (64, 64)).save(file, "PNG")
    options = BOM_UTF8 + b'{"merge": {"width": 128, "height": 64}}'
    files: dict[str, Any] = {"character": file.getvalue(), "background": file.getvalue()}
    sent = files | {"options": options} if as_file else files
    response = await client.post("/v1/merges", files=sent, data=None if as_file else {"options": options})
    assert Image.open(BytesIO(response.content)).size == (128, 64)


def test_a_configuration(tmp_path: Path) -> None:
    file = Path(shutil.copy(REPOSITORY / "serve/simulated.yaml", tmp_path))
    plain = serve_file.load(file).config
    assert serve_file.load(marked(file)).config == plain


def test_a_file_of_a_job(tmp_path: Path) -> None:
    file = tmp_path / "scenes.json"
    file.write_text(json.dumps([SCENE]))
    for source, stdin in ((str(marked(file)), None), ("-", file.read_bytes())):
        said = CliRunner().invoke(main, ["job", "submit", source, "--url", "http://127.0.0.1:9"], input=stdin)
        assert "no Scenewright at" in said.output, "the file was read"


def test_a_profile(tmp_path: Path) -> None:
    layer = LayerProfile(steps=1, encode_s=0, step_s={1: 1.0}, decode_s=0)
    profile = Profile(device="d", backend="simulated", character=layer, background=layer, merge_s=0)
    file = tmp_path / "profile.json"
    file.write_text(profile.model_dump_json())
    assert read_profile(marked(file)) == profile


def test_what_the_load_tester_reads(tmp_path: Path) -> None:
    file = Path(shutil.copy(Path(mix.__file__).with_name("default_mix.json"), tmp_path))
    assert mix.load(marked(file)) == mix.default_mix()
    trace = tmp_path / "trace.txt"
    trace.write_text("0.5\n1\n")
    assert arrivals.trace(marked(trace)) == [0.5, 1.0]
    summary = tmp_path / "summary.json"
    summary.write_text('{"valid": true, "series": {"code": []}}')
    assert read_summary(marked(summary))["valid"]
    records = tmp_path / "records.jsonl"
    fields = dict.fromkeys(record.Record.__dataclass_fields__, 0)
    records.write_text(json.dumps(fields) + "\n")
    assert len(list(record.read(marked(records)))) == 1


@pytest.mark.parametrize("name", ["model_index.json", "unet/config.json", "vae/config.json", "SHA256SUMS"])
def test_the_files_of_a_model(tmp_path: Path, name: str) -> None:
    folder = tmp_path / "my-model"
    shutil.copytree(REPOSITORY / "models/storybook-character", folder)
    sums = folder / "SHA256SUMS"
    plain = describe(str(folder))
    marked(folder / name)
    if name != sums.name:
        sums.unlink()
    check_model_files(folder)
    assert describe(str(folder)) == plain


def test_a_story(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    story = tmp_path / "story.txt"
    story.write_text("# A title\na knight | a castle | Once.\n", encoding="utf-8")
    sent: list[Any] = []

    def paint(service: object, scenes: list[dict[str, Any]], folder: Path) -> dict[int, Path]:
        sent.extend(scenes)
        return {}

    monkeypatch.setattr("examples.storyboard.paint", paint)
    monkeypatch.setattr("sys.argv", ["storyboard", str(marked(story)), "-o", str(tmp_path / "out")])
    run: Callable[[], None] = paint_storyboard
    run()
    assert [scene["character"]["prompt"] for scene in sent] == ["a knight"]
