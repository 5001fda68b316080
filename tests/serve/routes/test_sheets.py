"""/v1/cast/{name}/sheet: a cast member's atlas, its JSON, and a ZIP of both."""

from __future__ import annotations

import base64
import json
import zipfile
from collections.abc import Callable
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from PIL import Image

from deployments.errors import InvalidRequest, OutOfMemory
from deployments.layer_pictures import read_pose, read_references, read_start
from serve.api.members import Member
from serve.api.sheet import PNG, SheetPose, admit_poses, layers_of
from serve.config.service_config import ServiceConfig
from serve.graph.scene import Graph
from serve.ingress import build_http
from serve.routes import sheets
from tests.support.local_service import served
from tests.support.uploads import As, error_of

Ask = Callable[..., httpx.AsyncClient]
JSON, ZIP = {"Accept": "application/json"}, {"Accept": "application/zip"}
SHEET = "/v1/cast/mira/sheet"
POSES = {
    "poses": [
        {"name": "idle", "prompt": "standing", "num_inference_steps": 2},
        {"prompt": "running, in the rain", "num_inference_steps": 2, "seed": 9},
        "sitting",
    ]
}


@pytest.fixture
def cast_client(config: ServiceConfig, graph: Graph, tmp_path: Path) -> Ask:
    mine = config.model_copy(update={"state_dir": str(tmp_path / "state")})

    def make(tenant: str = "a") -> httpx.AsyncClient:
        app = As(build_http(mine, graph), tenant)
        transport = httpx.ASGITransport(served(app))
        return httpx.AsyncClient(transport=transport, base_url="http://localhost", timeout=60)

    return make


async def with_mira(client: httpx.AsyncClient, **changes: Any) -> httpx.AsyncClient:
    member = {"name": "mira", "description": "a girl", "seed": 7, **changes}
    added = await client.post("/v1/cast", json=member)
    assert added.status_code == 201, added.text
    return client


def check_frames(body: dict[str, Any], atlas: Any) -> None:
    assert body["meta"]["size"] == {"w": atlas.shape[1], "h": atlas.shape[0]}
    assert atlas.shape[2] == 4
    for frame in body["frames"].values():
        x, y, w, h = (frame["frame"][side] for side in "xywh")
        part = atlas[y : y + h, x : x + w, 3]
        assert part.shape == (h, w) and part.max() > 127
        assert part[0].any() and part[-1].any() and part[:, 0].any() and part[:, -1].any(), "trimmed"
    assert len({json.dumps(frame["sourceSize"]) for frame in body["frames"].values()}) == 1
    assert len({json.dumps(frame["pivot"]) for frame in body["frames"].values()}) == 1


async def test_poses_come_as_json_as_an_atlas_and_as_a_zip(cast_client: Ask) -> None:
    client = await with_mira(cast_client())
    answer = await client.post(SHEET, json=POSES, headers=JSON)
    assert answer.status_code == 200, answer.text
    assert answer.json()["usage"]["device_s"] > 0 and answer.json()["usage"]["megapixel_steps"] > 0
    assert answer.headers["X-Usage"].startswith("device_s=")
    body = answer.json()
    assert list(body["frames"]) == ["idle.png", "running-in-the-rain.png", "sitting.png"]
    assert [frame["seed"] for frame in body["frames"].values()] == [7, 9, 7]
    meta = body["meta"]
    assert (meta["image"], meta["format"], meta["scale"]) == ("mira.png", "RGBA8888", "1")
    assert meta["cast"] == {"name": "mira", "version": 1} and answer.headers["x-cast"] == "mira@1"
    data = base64.b64decode(body["image"]["b64_json"])
    atlas = np.asarray(Image.open(BytesIO(data)))
    check_frames(body, atlas)
    picture = await client.post(SHEET, json=POSES, headers={"Accept": "image/png"})
    assert picture.status_code == 200 and picture.headers["content-type"] == "image/png"
    assert (np.asarray(Image.open(BytesIO(picture.content))) == atlas).all()
    packed = await client.post(SHEET, json=POSES, headers=ZIP)
    assert packed.status_code == 200 and packed.headers["content-type"] == "application/zip"
    with zipfile.ZipFile(BytesIO(packed.content)) as files:
        poses = ["poses/idle.png", "poses/running-in-the-rain.png", "poses/sitting.png"]
        assert files.namelist() == ["mira.png", "mira.json", *poses]
        assert json.loads(files.read("mira.json"))["frames"] == body["frames"]
        for name, frame in body["frames"].items():
            alone = Image.open(BytesIO(files.read(f"poses/{name}")))
            assert (alone.mode, alone.size) == ("RGBA", (frame["frame"]["w"], frame["frame"]["h"]))


async def test_a_get_paints_the_usual_poses_or_those_it_names(cast_client: Ask) -> None:
    client = await with_mira(cast_client())
    answer = await client.get(SHEET, params={"pose": ["waves", "waves, in the rain"]}, headers=JSON)
    assert answer.status_code == 200, answer.text
    assert list(answer.json()["frames"]) == ["waves.png", "waves-in-the-rain.png"]
    usual = await client.get(SHEET, headers=JSON)
    assert usual.status_code == 200, usual.text
    assert list(usual.json()["frames"])[:2] == ["standing.png", "walking.png"]


async def test_a_head_paints_nothing(cast_client: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    client = await with_mira(cast_client())

    async def painted(*args: Any) -> Any:
        raise OutOfMemory("it was painted")

    monkeypatch.setattr(sheets, "render_sheet", painted)
    for headers, kind in ((None, PNG), (JSON, "application/json"), (ZIP, "application/zip")):
        head = await client.head(SHEET, headers=headers)
        assert (head.status_code, head.headers["content-type"], head.content) == (200, kind, b"")
        assert head.headers["x-cast"] == "mira@1" and "content-length" not in head.headers
    assert (await client.head(SHEET, params={"pose": ""})).status_code == 422
    assert (await client.head("/v1/cast/tom/sheet")).status_code == 404
    assert (await client.get(SHEET)).status_code == 503


@pytest.mark.parametrize("headers", [{"Sec-Fetch-Site": "cross-site"}, {"Origin": "https://page.example"}])
async def test_a_page_of_another_site_has_nothing_painted(cast_client: Ask, headers: dict[str, str]) -> None:
    client = await with_mira(cast_client())
    for method in ("GET", "HEAD", "POST"):
        refused = await client.request(method, SHEET, headers=headers)
        assert refused.status_code == 403, (method, refused.text)
    assert (await client.get("/v1/cast/mira", headers=headers)).status_code == 200
    own = {"Sec-Fetch-Site": "same-origin"}
    assert (await client.head(SHEET, headers=own)).status_code == 200


async def test_a_sheet_that_the_merger_has_no_memory_for_is_refused_before_it_is_painted(
    cast_client: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = await with_mira(cast_client())

    async def painted(*args: Any) -> Any:
        raise OutOfMemory("it was painted")

    monkeypatch.setattr(sheets, "render_sheet", painted)
    large = [{"prompt": f"pose {number}", "width": 1024, "height": 1024} for number in range(16)]
    refused = await client.post(SHEET, json={"poses": large})
    assert error_of(refused) == (422, "invalid_request", "poses")
    assert "there is memory for only 11 poses of 1024 by 1024 pixels" in refused.text
    assert (await client.post(SHEET, json={"poses": large[:11]})).status_code == 503


async def test_a_refusal_of_a_replica_names_the_pose(config: ServiceConfig) -> None:
    member = Member(name="mira", description="a girl")
    poses = [SheetPose(prompt="standing"), SheetPose(prompt="waving")]
    jobs = admit_poses(layers_of(poses, member, config), config, "id", "", {}, 1e9)
    assert [job.param_of("prompt") for job in jobs] == ["poses.0.prompt", "poses.1.prompt"]
    torn = {"1f" * 32: b"no picture"}
    for index, job in enumerate(jobs):
        broken = replace(job, image="1f" * 32, references=("1f" * 32,), pose_image="1f" * 32)
        reads: tuple[tuple[Callable[[], object], str], ...] = (
            (lambda broken=broken: read_start(broken, torn, 8), "image"),
            (lambda broken=broken: read_references(broken, torn), "references.0"),
            (lambda broken=broken: read_pose(broken, torn), "pose.image"),
        )
        for read, name in reads:
            with pytest.raises(InvalidRequest) as raised:
                read()
            assert raised.value.param == f"poses.{index}.{name}"


async def test_every_pose_is_compared_with_her_reference(cast_client: Ask) -> None:
    client = cast_client()
    painted = await client.post(
        "/v1/characters", json={"prompt": "a girl", "seed": 7, "output": {"format": "png"}}
    )
    assert painted.status_code == 200, painted.text
    reference = {"b64_json": base64.b64encode(painted.content).decode()}
    await with_mira(client, references=[reference])
    answer = await client.post(SHEET, json=POSES, headers=JSON)
    assert answer.status_code == 200, answer.text
    measured = [frame["consistency"] for frame in answer.json()["frames"].values()]
    assert measured[0] == measured[2] > measured[1], "a simulated figure depends on its seed alone"


async def test_another_tenant_has_no_such_sheet(cast_client: Ask) -> None:
    await with_mira(cast_client())
    other = cast_client("b")
    for refused in (await other.get(SHEET), await other.post(SHEET, json=POSES)):
        assert error_of(refused) == (404, "not_found", None)
    assert error_of(await other.get("/v1/cast/%00/sheet"))[:2] == (404, "not_found")


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"poses": []}, "poses"),
        ({}, "poses"),
        ({"poses": ["a"] * 17}, "poses"),
        ({"poses": [" "]}, "poses.0.prompt"),
        ({"poses": [{"prompt": "a", "name": "../x"}]}, "poses.0.name"),
        ({"poses": [{"prompt": "a", "name": "x"}, {"prompt": "b", "name": "x"}]}, "poses.1.name"),
        ({"poses": ["a", {"prompt": "b", "cast": "tom"}]}, "poses.1.cast"),
        ({"poses": ["a", {"prompt": "b", "width": 256}]}, "poses.1.width"),
        ({"poses": [{"prompt": "b", "width": 7}]}, "poses.0.width"),
        ({"poses": [{"prompt": "b", "num_inference_steps": 9_999}]}, "poses.0.num_inference_steps"),
        ({"poses": ["a"], "deadline_s": 0}, "deadline_s"),
        ({"poses": ["a"], "output": {}}, "output"),
    ],
)
async def test_what_is_no_sheet_is_refused_by_its_path(
    cast_client: Ask, body: dict[str, Any], param: str
) -> None:
    refused = await (await with_mira(cast_client())).post(SHEET, json=body)
    assert (refused.status_code, error_of(refused)[2]) == (422, param), refused.text


@pytest.mark.parametrize(
    ("query", "param"),
    [({"pose": [""]}, "pose.0"), ({"pose": ["a"] * 17}, "pose"), ({"poses": "a"}, "poses")],
)
async def test_a_query_that_names_no_poses_is_refused(
    cast_client: Ask, query: dict[str, Any], param: str
) -> None:
    refused = await (await with_mira(cast_client())).get(SHEET, params=query)
    assert error_of(refused) == (422, "invalid_request", param)
