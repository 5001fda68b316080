"""`references` and `pose` in a layer, on every route that has layers: used, or refused by name."""

from __future__ import annotations

import json
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from PIL import Image

from serve.config.service_config import ServiceConfig
from serve.graph.scene import Graph
from serve.ingress import build_http
from tests.support.input_pictures import ended, expire, inline, submit
from tests.support.local_service import listening, served, with_worker
from tests.support.poses import KEYPOINTS
from tests.support.uploads import As, a_file, a_huge_file, error_of, files_of

Ask = Callable[..., httpx.AsyncClient]
FACE = np.random.default_rng(5).integers(60, 200, (96, 64, 3)).astype(np.uint8)
REFERENCE, POSE = inline(a_file(FACE)), {"keypoints": KEYPOINTS}
SKELETON = inline(a_file(255 - FACE))
STEPS = {"num_inference_steps": 2}
LAYER = {"prompt": "a fox", "seed": 1, "output": {"format": "png"}, **STEPS}
BESIDE = {
    "ip_adapter": {"source": "adapter.safetensors", "image_encoder": "encoder"},
    "pose_controlnet": "controlnet",
}


def with_model(config: ServiceConfig, **changes: Any) -> ServiceConfig:
    """Configure the edge for a model with these settings; the graph's replicas are simulated regardless."""
    data = config.model_dump()
    for kind in ("character", "background"):
        if "painter" in changes:
            data[kind]["generator"] |= {"backend": "diffusers", "simulated": {}}
        data[kind]["generator"]["model"] |= changes
    return ServiceConfig.model_validate(data)


@pytest.fixture
def mine(config: ServiceConfig, tmp_path: Path) -> ServiceConfig:
    return with_model(config.model_copy(update={"state_dir": str(tmp_path / "state")}), **BESIDE)


@pytest.fixture
def request_layer(mine: ServiceConfig, graph: Graph) -> Ask:
    def make(tenant: str = "a", config: ServiceConfig = mine) -> httpx.AsyncClient:
        transport = httpx.ASGITransport(served(As(build_http(config, graph), tenant)))
        return httpx.AsyncClient(transport=transport, base_url="http://localhost", timeout=60)

    return make


async def upload(client: httpx.AsyncClient, pixels: Any = FACE) -> dict[str, str]:
    answer = await client.post("/v1/pictures", files={"file": a_file(pixels)})
    assert answer.status_code == 200, answer.text
    return {"id": answer.json()["id"]}


async def recipe_of(client: httpx.AsyncClient, **layer: Any) -> str:
    answer = await client.post("/v1/characters", json=LAYER | layer)
    assert answer.status_code == 200, answer.text
    return str(Image.open(BytesIO(answer.content)).info["parameters"])


async def test_the_file_names_what_it_was_painted_by(request_layer: Ask) -> None:
    client = request_layer()
    first, second = await upload(client), await upload(client, 255 - FACE)
    names = [picture["id"].removeprefix("pic_") for picture in (first, second)]
    for references in ([first, second], [REFERENCE, SKELETON]):
        recipe = await recipe_of(client, references=references, reference_scale=0.5)
        assert f"Reference scale: 0.5, References: {names[0]} {names[1]}, " in recipe
    recipe = await recipe_of(client, pose=POSE, pose_scale=0.75)
    assert "Pose scale: 0.75, Pose: 0.5 0.12 1 0.5 0.22 1 " in recipe
    for picture in (second, SKELETON):
        assert f"Pose scale: 1.0, Pose: {names[1]}, " in await recipe_of(client, pose={"image": picture})


async def test_scenes_images_events_and_several_figures_take_them(request_layer: Ask) -> None:
    client, layer = request_layer(), {"prompt": "a fox", "references": [REFERENCE], "pose": POSE, **STEPS}
    scene = {"character": layer, "background": {"prompt": "a hill", "references": [REFERENCE], **STEPS}}
    several = {"characters": [{**layer, "depth": 1}, "a dog"], "background": "a hill"}
    events = {"Accept": "text/event-stream"}
    for path, body, headers in (
        ("/v1/scenes", scene, {}),
        ("/v1/scenes", scene, events),
        ("/v1/scenes", several, {}),
        ("/v1/backgrounds", LAYER | {"references": [REFERENCE], "pose": POSE}, {}),
        ("/v1/images/generations", {"prompt": "", **scene}, {}),
        ("/v1/scenes", {**scene, "character": layer | {"image": REFERENCE, "strength": 0.5}}, {}),
    ):
        answer = await client.post(path, json=body, headers=headers)
        assert answer.status_code == 200, answer.text
        assert b"event: error" not in answer.content


async def test_what_is_null_or_empty_is_left_out(request_layer: Ask) -> None:
    nothing = {"references": [], "reference_scale": None, "pose": None, "pose_scale": None}
    recipe = await recipe_of(request_layer(), **nothing)
    assert "Reference" not in recipe and "Pose" not in recipe
    other = POSE | {"image": None}
    assert "Pose: " in await recipe_of(request_layer(), pose=other, references=None)


def points(*changes: tuple[int, Any]) -> dict[str, Any]:
    changed = dict(changes)
    return {"pose": {"keypoints": [changed.get(index, point) for index, point in enumerate(KEYPOINTS)]}}


def strip(wide: int, high: int) -> dict[str, str]:
    return inline(a_file(np.zeros((high, wide, 3), np.uint8)))


FAULTS: list[tuple[dict[str, Any], str, str]] = [
    ({"references": [REFERENCE] * 5}, "references", "at most 4"),
    ({"references": REFERENCE}, "references", "list"),
    ({"references": [REFERENCE, {"url": "http://localhost/a.png"}]}, "references.1", "no picture is fetched"),
    ({"references": [{"id": "pic_" + "0" * 64}]}, "references.0.id", "no such picture"),
    ({"references": [REFERENCE, {"id": "\0"}]}, "references.1.id", "no such picture"),
    ({"references": [{"b64_json": "no base64"}]}, "references.0.b64_json", "base64"),
    ({"references": [inline(b"no picture")]}, "references.0.b64_json", "not a valid"),
    ({"references": [REFERENCE, inline(a_huge_file())]}, "references.1.b64_json", "million pixels"),
    ({"references": [REFERENCE, strip(16, 129)]}, "references.1", "at most 8 times"),
    ({"references": [strip(4_000, 16)]}, "references.0", "at most 8 times"),
    ({"references": [REFERENCE], "reference_scale": -0.1}, "reference_scale", "greater than or equal to 0"),
    ({"references": [REFERENCE], "reference_scale": 2.1}, "reference_scale", "less than or equal to 2"),
    ({"reference_scale": 0.5}, "reference_scale", "needs references"),
    ({"references": [], "reference_scale": 0.5}, "reference_scale", "needs references"),
    ({"pose": {}}, "pose", "either"),
    ({"pose": POSE | {"image": SKELETON}}, "pose", "either"),
    ({"pose": {"keypoints": KEYPOINTS[:17]}}, "pose.keypoints", "at least 18"),
    ({"pose": {"keypoints": [*KEYPOINTS, KEYPOINTS[0]]}}, "pose.keypoints", "at most 18"),
    ({"pose": {"keypoints": []}}, "pose.keypoints", "at least 18"),
    (points((3, [0.5, 0.5])), "pose.keypoints.3", "at least 3"),
    (points((3, [0.5, 0.5, 1, 1])), "pose.keypoints.3", "at most 3"),
    (points((0, [1.01, 0.5, 1])), "pose.keypoints.0.0", "less than or equal to 1"),
    (points((17, [0.5, -0.5, 1])), "pose.keypoints.17.1", "greater than or equal to 0"),
    (points((17, [0.5, 0.5, "1"])), "pose.keypoints.17.2", "number"),
    (points((17, [0.5, None, 1])), "pose.keypoints.17.1", "required"),
    ({"pose": {"keypoints": [[0.5, 0.5, 0]] * 18}}, "pose.keypoints", "a confidence above 0"),
    ({"pose": {"image": {"id": "pic_0"}}}, "pose.image.id", "no such picture"),
    ({"pose": {"image": inline(a_huge_file())}}, "pose.image.b64_json", "million pixels"),
    ({"pose": POSE, "pose_scale": 3}, "pose_scale", "less than or equal to 2"),
    ({"pose_scale": 0.5}, "pose_scale", "needs a pose"),
]


async def test_what_is_wrong_is_named_on_every_route(request_layer: Ask) -> None:
    client, plain = request_layer(), {"character": "a fox", "background": "a hill"}
    for index, (changes, param, said) in enumerate(FAULTS):
        layer = {"prompt": "a fox", **changes}
        scene = {"background": "a hill", "character": layer}
        path, body, prefix = (
            ("/v1/characters", layer, ""),
            ("/v1/scenes", scene, "character."),
            ("/v1/jobs", {"scenes": [plain, scene]}, "scenes.1.character."),
        )[index % 3]
        refused = await client.post(path, json=body)
        assert error_of(refused) == (422, "invalid_request", prefix + param), refused.text
        assert said in refused.json()["error"]["message"]


async def test_a_keypoint_that_is_no_number_is_no_json(request_layer: Ask) -> None:
    client, headers = request_layer(), {"Content-Type": "application/json"}
    for text in ("NaN", "Infinity", "1e999"):
        body = json.dumps(LAYER | {"pose": POSE}).replace("0.86", text, 1)
        answer = await client.post("/v1/characters", content=body, headers=headers)
        assert error_of(answer)[:2] == (400, "invalid_json"), answer.text


async def test_another_tenants_picture_is_not_there(request_layer: Ask) -> None:
    theirs = await upload(request_layer("b"))
    for changes, param in (
        ({"references": [REFERENCE, theirs]}, "references.1.id"),
        ({"pose": {"image": theirs}}, "pose.image.id"),
    ):
        refused = await request_layer("a").post("/v1/characters", json=LAYER | changes)
        assert error_of(refused) == (422, "invalid_request", param)


async def test_a_damaged_picture_is_gone(request_layer: Ask, mine: ServiceConfig) -> None:
    client = request_layer()
    reference = await upload(client)
    files_of(mine)[0].write_bytes(b"")
    refused = await client.post("/v1/characters", json=LAYER | {"references": [reference]})
    assert error_of(refused) == (410, "gone", "references.0.id")


CANNOT: list[tuple[dict[str, Any], dict[str, Any], str]] = [
    ({"references": [REFERENCE]}, {"ip_adapter": None}, "references"),
    ({"references": [REFERENCE], "pose": POSE}, {"ip_adapter": None}, "references"),
    ({"pose": POSE}, {"pose_controlnet": None}, "pose"),
    ({"pose": {"image": REFERENCE}, "references": [REFERENCE]}, {"pose_controlnet": None}, "pose"),
]


@pytest.mark.parametrize(("layer", "without", "param"), CANNOT, ids=lambda value: str(value)[:40])
async def test_a_model_that_cannot_says_what_it_can(
    request_layer: Ask, mine: ServiceConfig, layer: dict[str, Any], without: dict[str, Any], param: str
) -> None:
    client = request_layer(config=with_model(mine, **without))
    scene = {"character": {"prompt": "a fox", **layer}, "background": "a hill"}
    for path, body, prefix in (
        ("/v1/characters", LAYER | layer, ""),
        ("/v1/scenes", scene, "character."),
        ("/v1/jobs", {"scenes": [scene]}, "scenes.0.character."),
    ):
        refused = await client.post(path, json=body)
        assert error_of(refused) == (422, "unsupported_task", prefix + param), refused.text
        message = refused.json()["error"]["message"]
        assert "it can do text_to_image, image_to_image, inpainting" in message
        assert "to start from a picture instead, use " in message and "image with " in message


async def test_a_model_that_takes_no_picture_at_all_names_none(
    request_layer: Ask, mine: ServiceConfig
) -> None:
    config = with_model(mine, ip_adapter=None, pose_controlnet=None, painter="denoiser")
    refused = await request_layer(config=config).post(
        "/v1/characters", json=LAYER | {"references": [REFERENCE]}
    )
    assert error_of(refused) == (422, "unsupported_task", "references")
    assert refused.json()["error"]["message"].endswith("it can do text_to_image")


async def test_a_model_that_edits_takes_references_as_they_are(
    request_layer: Ask, mine: ServiceConfig
) -> None:
    klein = {"source": "black-forest-labs/FLUX.2-klein-4B", "family": "flux2-klein"}
    config = with_model(mine, ip_adapter=None, pose_controlnet=None, **klein)
    client = request_layer(config=config)
    for usual in ({}, {"reference_scale": 0.6}):
        assert "References: " in await recipe_of(client, references=[REFERENCE], **usual)
    assert "References: " in await recipe_of(client, references=[REFERENCE], image=SKELETON)
    masked = LAYER | {"image": REFERENCE, "mask": REFERENCE, "references": [REFERENCE]}
    assert (await client.post("/v1/characters", json=masked)).status_code == 200
    two = masked | {"references": [REFERENCE, SKELETON]}
    assert error_of(await client.post("/v1/characters", json=two)) == (422, "unsupported_task", "references")
    small = LAYER | {"references": [REFERENCE, strip(63, 64)]}
    refused = await client.post("/v1/characters", json=small)
    assert error_of(refused) == (422, "invalid_request", "references.1")
    assert "at least 64 pixels" in refused.json()["error"]["message"]
    scaled = LAYER | {"references": [REFERENCE], "reference_scale": 0.5}
    refused = await client.post("/v1/characters", json=scaled)
    assert error_of(refused) == (422, "invalid_request", "reference_scale")


async def test_the_models_say_what_they_can(request_layer: Ask, mine: ServiceConfig) -> None:
    every = ["text_to_image", "image_to_image", "inpainting"]
    for config, more in (
        (mine, ["references", "pose"]),
        (with_model(mine, ip_adapter=None), ["pose"]),
        (with_model(mine, pose_controlnet=None), ["references"]),
    ):
        listed = (await request_layer(config=config).get("/v1/models")).json()["data"]
        models = {model["id"]: model["tasks"] for model in listed}
        assert models["storybook-character"] == models["storybook-background"] == every + more
        assert models["stable-diffusion-v1-5/stable-diffusion-v1-5"] == every


async def test_equal_references_and_poses_are_equal_work(request_layer: Ask) -> None:
    """Check by the responses' timings: a cached layer takes no time."""
    client = request_layer()

    async def denoised(**changes: Any) -> float:
        answer = await client.post(
            "/v1/characters", json=LAYER | {"seed": 70} | changes, headers={"Accept": "application/json"}
        )
        assert answer.status_code == 200, answer.text
        return float(answer.json()["timings_ms"]["denoise"])

    assert await denoised() > 0
    uploaded = await upload(client)
    for first, same in (
        ({"references": [REFERENCE]}, {"references": [uploaded]}),
        ({"references": [REFERENCE, SKELETON]}, {"references": [uploaded, SKELETON], "reference_scale": 0.6}),
        ({"references": [SKELETON, REFERENCE]}, {"references": [SKELETON, uploaded]}),
        ({"references": [REFERENCE], "reference_scale": 0.8},) * 2,
        ({"pose": POSE}, {"pose": POSE, "pose_scale": 1}),
        ({"pose": POSE, "pose_scale": 0.5},) * 2,
        (points((4, [0.2, 0.2, 1])),) * 2,
        ({"pose": {"image": REFERENCE}}, {"pose": {"image": uploaded}}),
    ):
        assert await denoised(**first) > 0, first
        assert await denoised(**same) == 0, same


def test_jobs_hold_what_they_are_painted_from_until_they_have_ended(
    mine: ServiceConfig, graph: Graph
) -> None:
    with (
        listening(served(build_http(mine, graph))) as url,
        httpx.Client(base_url=url, timeout=60, trust_env=False) as before,
    ):
        uploaded = before.post("/v1/pictures", files={"file": a_file(FACE)}).json()["id"]
        both = {"references": [SKELETON, {"id": uploaded}], "pose": {"image": REFERENCE}}
        job = submit(
            before, {"prompt": "a hill", **both, **STEPS}, {"prompt": "a sea", "pose": POSE, **STEPS}
        )
        expire(mine)
        assert error_of(before.delete(f"/v1/pictures/{uploaded}"))[:2] == (422, "invalid_request")
    with with_worker(mine, graph) as url, httpx.Client(base_url=url, timeout=60, trust_env=False) as after:
        assert [scene["status"] for scene in ended(after, job)] == ["succeeded", "succeeded"]


def test_a_reference_that_is_damaged_in_the_queue_fails_its_scene_alone(
    mine: ServiceConfig, graph: Graph
) -> None:
    with (
        listening(served(build_http(mine, graph))) as url,
        httpx.Client(base_url=url, timeout=60, trust_env=False) as before,
    ):
        layer = {"prompt": "a castle", "references": [REFERENCE], **STEPS}
        job = submit(before, layer, {"prompt": "a hill", **STEPS})
        for file in files_of(mine):
            file.unlink()
    with with_worker(mine, graph) as url, httpx.Client(base_url=url, timeout=60, trust_env=False) as after:
        failed, painted = ended(after, job)
        assert (failed["status"], painted["status"]) == ("failed", "succeeded")
        assert failed["error"]["code"] == "gone" and failed["error"]["param"] == "background.references.0"
