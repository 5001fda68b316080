"""`image`, `strength` and `mask` in a layer, on every route that has layers: used, or refused by name."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from PIL import Image

from deployments.messages import PictureJob
from serve.config.service_config import ServiceConfig
from serve.graph.scene import Graph
from serve.ingress import build_http
from serve.pictures.picture_service import PictureService
from serve.routes import input_pictures
from tests.support.input_pictures import ended, expire, inline, submit
from tests.support.local_service import listening, served, with_worker
from tests.support.polling import eventually
from tests.support.uploads import As, a_file, a_huge_file, error_of, files_of

Ask = Callable[..., httpx.AsyncClient]
WIDE, HIGH = 96, 64
PLACE = np.random.default_rng(5).integers(60, 200, (HIGH, WIDE, 3)).astype(np.uint8)
LEFT = np.zeros((HIGH, WIDE), np.uint8)
LEFT[:, : WIDE // 2] = 255
STEPS = {"num_inference_steps": 4}


IMAGE, MASK = inline(a_file(PLACE)), inline(a_file(LEFT))
LAYER = {"prompt": "a castle", "seed": 1, "image": IMAGE, "output": {"format": "png"}, **STEPS}


@pytest.fixture
def mine(config: ServiceConfig, tmp_path: Path) -> ServiceConfig:
    return config.model_copy(update={"state_dir": str(tmp_path / "state")})


@pytest.fixture
def request_layer(mine: ServiceConfig, graph: Graph) -> Ask:
    def make(tenant: str = "a", config: ServiceConfig = mine) -> httpx.AsyncClient:
        app = As(build_http(config, graph), tenant)
        return httpx.AsyncClient(
            transport=httpx.ASGITransport(served(app)), base_url="http://localhost", timeout=60
        )

    return make


async def upload(client: httpx.AsyncClient, pixels: Any = PLACE) -> dict[str, str]:
    answer = await client.post("/v1/pictures", files={"file": a_file(pixels)})
    return {"id": answer.json()["id"]}


def pixels_of(answer: httpx.Response) -> Any:
    assert answer.status_code == 200, answer.text
    return np.asarray(Image.open(BytesIO(answer.content)))


async def test_what_the_mask_leaves_out_comes_back_as_it_was_sent(request_layer: Ask) -> None:
    client = request_layer()
    for image, mask in ((IMAGE, MASK), (await upload(client), await upload(client, LEFT))):
        painted = pixels_of(await client.post("/v1/backgrounds", json=LAYER | {"image": image, "mask": mask}))
        kept = LEFT == 0
        assert painted.shape == PLACE.shape, "in the picture's own size"
        assert (painted[kept] == PLACE[kept]).all() and (painted[~kept] != PLACE[~kept]).any()


async def test_the_file_names_what_it_started_from(request_layer: Ask) -> None:
    client = request_layer()
    image, mask = await upload(client), await upload(client, LEFT)
    for start in ({"image": image, "mask": mask}, {"image": IMAGE, "mask": MASK}):
        answer = await client.post("/v1/backgrounds", json=LAYER | start | {"strength": 0.5})
        recipe = Image.open(BytesIO(answer.content)).info["parameters"]
        names = [picture["id"].removeprefix("pic_") for picture in (image, mask)]
        assert f"Denoising strength: 0.5, Image: {names[0]}, Mask: {names[1]}, " in recipe


async def test_a_transparent_mask_paints_nothing(request_layer: Ask) -> None:
    clear = np.full((HIGH, WIDE, 4), 255, np.uint8)
    clear[..., 3] = 0
    asked = LAYER | {"mask": inline(a_file(clear))}
    assert (pixels_of(await request_layer().post("/v1/backgrounds", json=asked)) == PLACE).all()


async def test_another_size_is_covered_and_cropped_as_it_is_documented(request_layer: Ask) -> None:
    asked = LAYER | {"mask": inline(a_file(np.zeros((HIGH, WIDE), np.uint8))), "width": 64, "height": 64}
    painted = pixels_of(await request_layer().post("/v1/backgrounds", json=asked))
    assert (painted == PLACE[:, 16:80]).all()


async def test_a_size_that_the_model_has_not_is_the_nearest_below(request_layer: Ask) -> None:
    odd = np.random.default_rng(5).integers(60, 200, (70, 99, 3)).astype(np.uint8)
    painted = pixels_of(
        await request_layer().post("/v1/backgrounds", json=LAYER | {"image": inline(a_file(odd))})
    )
    assert painted.shape == (64, 96, 3)


async def test_sides_that_the_model_has_not_are_cut_and_not_scaled(request_layer: Ask) -> None:
    odd = np.random.default_rng(5).integers(60, 200, (70, 99, 3)).astype(np.uint8)
    left = np.zeros((70, 99), np.uint8)
    left[:, :50] = 255
    asked = LAYER | {"image": inline(a_file(odd)), "mask": inline(a_file(left))}
    for size in ({}, {"width": 96, "height": 64}):
        painted = pixels_of(await request_layer().post("/v1/backgrounds", json=asked | size))
        cut = odd[3:67, 1:97]
        assert (painted[:, 49:] == cut[:, 49:]).all(), "black in the mask is kept"
        assert (painted[:, :49] != cut[:, :49]).any(axis=(0, 2)).all(), "white in the mask is painted"


async def test_scenes_images_and_events_take_them_too(request_layer: Ask) -> None:
    client = request_layer()
    layer = {"prompt": "a castle", "image": await upload(client), "strength": 0.5, **STEPS}
    scene = {"character": {"prompt": "a knight", **STEPS}, "background": layer, "seed": 1}
    told = (await client.post("/v1/scenes", json=scene, headers={"Accept": "application/json"})).json()
    assert told["image"]["b64_json"] and told["seeds"]["background"] == 1
    streamed = await client.post(
        "/v1/scenes", json=scene | {"seed": 2}, headers={"Accept": "text/event-stream"}
    )
    steps = [json.loads(line[6:]) for line in streamed.text.splitlines() if line.startswith("data: ")]
    assert {each["steps"] for each in steps if each.get("layer") == "background" and "steps" in each} == {2}
    images = {"prompt": "", "character": scene["character"], "background": layer, "seed": 1}
    answer = await client.post("/v1/images/generations", json=images)
    assert answer.json()["data"][0]["b64_json"]


MB = 1 << 20


def little_memory(config: ServiceConfig) -> ServiceConfig:
    """Limit an edge to 4 MiB of bodies, of which one tenant gets half."""
    few = {"max_upload_bytes": MB, "max_json_bytes": MB, "max_bytes_in_flight": 4 * MB}
    jobs = replace(config.jobs, max_json_bytes=MB)
    return config.model_copy(update={"limits": config.limits.model_copy(update=few), "jobs": jobs})


def swelling(shade: int) -> bytes:
    """Return a small JPEG that is more than 1.5 MiB as a PNG."""
    data, noise = BytesIO(), np.random.default_rng(shade).integers(0, 256, (110, 110, 3)).astype(np.uint8)
    Image.fromarray(noise).resize((880, 880), Image.Resampling.BICUBIC).save(data, "JPEG", quality=10)
    assert len(data.getvalue()) < 200_000
    return data.getvalue()


async def test_what_an_inline_picture_swells_to_counts_among_the_bytes_under_way(
    request_layer: Ask, mine: ServiceConfig
) -> None:
    client = request_layer(config=little_memory(mine))
    layers = [{"prompt": "a castle", "image": inline(swelling(shade)), **STEPS} for shade in range(2)]
    scene = {"character": layers[0], "background": layers[1]}
    refused = await client.post("/v1/scenes", json=scene)
    assert error_of(refused) == (413, "payload_too_large", "background.image.b64_json"), (
        "both together never fit"
    )
    assert "too large in total" in refused.json()["error"]["message"]
    assert (await client.post("/v1/jobs", json={"scenes": [scene]})).status_code == 202, (
        "a job decodes one picture at a time"
    )


async def test_uploaded_pictures_that_never_fit_are_too_large_and_not_for_later(
    request_layer: Ask, mine: ServiceConfig
) -> None:
    client = request_layer(config=little_memory(mine))
    names = []
    for shade in range(2):
        answer = await client.post("/v1/pictures", files={"file": swelling(shade)})
        names.append({"id": answer.json()["id"]})
    layers = [{"prompt": "a castle", "image": name, **STEPS} for name in names]
    refused = await client.post("/v1/scenes", json={"character": layers[0], "background": layers[1]})
    assert error_of(refused) == (413, "payload_too_large", "background.image.id")


async def test_looking_at_pictures_counts_among_the_bytes_under_way(
    request_layer: Ask, mine: ServiceConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = request_layer(config=little_memory(mine))
    answer = await client.post("/v1/pictures", files={"file": swelling(0)})
    address, both, read = f"/v1/pictures/{answer.json()['id']}", asyncio.Barrier(2), PictureService.read

    async def read_together(self: PictureService, owner: str, picture_id: str) -> Any:
        await asyncio.wait_for(both.wait(), 60)
        return await read(self, owner, picture_id)

    monkeypatch.setattr(PictureService, "read", read_together)
    looks = [asyncio.create_task(client.get(address)) for _ in range(2)]
    done, _ = await asyncio.wait(looks, return_when=asyncio.FIRST_COMPLETED)
    assert error_of(done.pop().result()) == (429, "overloaded", None)
    await both.wait()
    assert sorted([(await look).status_code for look in looks]) == [200, 429]


@pytest.mark.parametrize("path", ["/v1/backgrounds", "/v1/scenes", "/v1/images/generations"])
async def test_the_deadline_runs_while_pictures_are_read(
    request_layer: Ask, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    deadlines: list[float] = []
    read = input_pictures.read_picture

    async def read_late(graph: Graph, job: PictureJob, deadline_at: float) -> Any:
        deadlines.append(deadline_at - time.monotonic())
        await eventually(lambda: time.monotonic() > deadline_at)
        return await read(graph, replace(job), time.monotonic() + 5)

    monkeypatch.setattr(input_pictures, "read_picture", read_late)
    layer = {"prompt": "a castle", "image": IMAGE, **STEPS}
    whole = {"character": "a fox", "background": layer}
    body = {"/v1/backgrounds": layer, "/v1/scenes": whole}.get(path, {"prompt": "", **whole})
    late = await request_layer().post(path, json=body | {"deadline_s": 0.3})
    assert error_of(late)[:2] == (504, "deadline_exceeded") and deadlines[0] <= 0.3


SMALL = inline(a_file(np.zeros((20, 20), np.uint8)))
FAULTS: list[tuple[dict[str, Any], str, str]] = [
    ({"mask": SMALL}, "mask", "96x64"),
    ({"image": None, "mask": MASK}, "mask", "image"),
    ({"image": None, "strength": 0.5}, "strength", "image"),
    ({"strength": 0}, "strength", "greater than 0"),
    ({"strength": 1.5}, "strength", "less than or equal to 1"),
    ({"image": {"url": "http://localhost/a.png"}}, "image", "no picture is fetched from a URL"),
    ({"image": {"id": "pic_0", **IMAGE}}, "image", "either"),
    ({"image": {}}, "image", "either"),
    ({"image": {"id": "pic_" + "0" * 64}}, "image.id", "no such picture"),
    ({"image": {"id": "\0"}}, "image.id", "no such picture"),
    ({"image": {"b64_json": "no base64"}}, "image.b64_json", "base64"),
    ({"image": inline(b"no picture")}, "image.b64_json", "not a valid"),
    ({"image": inline(a_huge_file())}, "image.b64_json", "million pixels"),
    ({"mask": inline(a_huge_file())}, "mask.b64_json", "million pixels"),
]


@pytest.mark.parametrize(("changes", "param", "said"), FAULTS, ids=lambda value: str(value)[:40])
async def test_what_is_wrong_is_named_on_every_route(
    request_layer: Ask, changes: dict[str, Any], param: str, said: str
) -> None:
    client, layer = request_layer(), LAYER | changes
    plain = {"character": "a fox", "background": "a hill"}
    scene = {"background": "a hill", "character": {k: v for k, v in layer.items() if k != "output"}}
    for path, body, prefix in (
        ("/v1/characters", layer, ""),
        ("/v1/scenes", scene, "character."),
        (
            "/v1/jobs",
            {"scenes": [plain, scene]},
            "scenes.1.character.",
        ),
    ):
        refused = await client.post(path, json=body)
        assert error_of(refused) == (422, "invalid_request", prefix + param), refused.text
        assert said in refused.json()["error"]["message"]


async def test_another_tenants_picture_is_not_there(request_layer: Ask) -> None:
    theirs = await upload(request_layer("b"))
    refused = await request_layer("a").post("/v1/backgrounds", json=LAYER | {"image": theirs})
    assert error_of(refused) == (422, "invalid_request", "image.id")


async def test_a_damaged_picture_is_gone(request_layer: Ask, mine: ServiceConfig) -> None:
    client = request_layer()
    asked = LAYER | {"image": await upload(client)}
    files_of(mine)[0].write_bytes(b"")
    assert error_of(await client.post("/v1/backgrounds", json=asked)) == (410, "gone", "image.id")


@pytest.mark.parametrize(("changes", "param"), [({}, "image"), ({"mask": MASK}, "mask")])
async def test_a_model_that_cannot_says_so_and_what_it_can(
    request_layer: Ask, mine: ServiceConfig, changes: dict[str, Any], param: str
) -> None:
    data = mine.model_dump()
    data["background"]["generator"] |= {"backend": "diffusers", "simulated": {}}
    data["background"]["generator"]["model"] |= {"painter": "denoiser"}
    client = request_layer(config=ServiceConfig.model_validate(data))
    refused = await client.post("/v1/backgrounds", json=LAYER | changes)
    assert error_of(refused) == (422, "unsupported_task", param)
    assert "it can do text_to_image" in refused.json()["error"]["message"]


async def test_the_models_say_what_they_can(request_layer: Ask) -> None:
    models = {
        model["id"]: model["tasks"] for model in (await request_layer().get("/v1/models")).json()["data"]
    }
    every = ["text_to_image", "image_to_image", "inpainting"]
    assert models["storybook-character"] == models["storybook-background"] == every
    assert models["Efficient-Large-Model/Sana_1600M_1024px_diffusers"] == ["text_to_image"]


async def test_equal_pictures_strengths_and_masks_are_equal_work(request_layer: Ask) -> None:
    """Check by the responses' timings: a cached layer takes no time."""
    client = request_layer()

    async def denoised(**changes: Any) -> float:
        answer = await client.post(
            "/v1/backgrounds", json=LAYER | {"seed": 7} | changes, headers={"Accept": "application/json"}
        )
        return float(answer.json()["timings_ms"]["denoise"])

    assert await denoised() > 0
    assert await denoised() == 0
    assert await denoised(image=await upload(client)) == 0, "the same picture by upload"
    for other in ({"strength": 0.8}, {"mask": MASK}, {"image": inline(a_file(255 - PLACE))}):
        assert await denoised(**other) > 0, other
        assert await denoised(**other) == 0, other


FOR_NOW = {"max_waiting_scenes": 1}
REFUSED: list[tuple[dict[str, Any], dict[str, Any], int, str | None]] = [
    ({}, {"webhook": {"url": "https://localhost/"}}, 422, "webhook.url"),
    ({"model": "nobody/nothing"}, {}, 422, "scenes.0.background.model"),
    ({"strength": 0.5, "num_inference_steps": 9_999}, {}, 422, "scenes.0.background.num_inference_steps"),
    ({}, {"scenes": 2}, 429, None),
]


@pytest.mark.parametrize(("layer", "job", "status", "param"), REFUSED, ids=lambda value: str(value)[:40])
async def test_a_job_that_is_refused_keeps_none_of_its_pictures(
    request_layer: Ask,
    mine: ServiceConfig,
    layer: dict[str, Any],
    job: dict[str, Any],
    status: int,
    param: str | None,
) -> None:
    client = request_layer(config=mine.model_copy(update={"jobs": replace(mine.jobs, **FOR_NOW)}))
    background = {"prompt": "a castle", "image": IMAGE, **STEPS, **layer}
    scenes = [{"character": "a fox", "background": background}] * job.get("scenes", 1)
    refused = await client.post("/v1/jobs", json={**job, "scenes": scenes})
    assert (error_of(refused)[0], error_of(refused)[2]) == (status, param), refused.text
    assert files_of(mine) == []


async def test_the_same_key_is_the_same_job_after_its_picture_is_gone(request_layer: Ask) -> None:
    client = request_layer()
    image = await upload(client)
    layer = {"prompt": "a castle", "image": image, **STEPS}
    body, headers = {"scenes": [{"character": "a fox", "background": layer}]}, {"Idempotency-Key": "order-1"}
    job = (await client.post("/v1/jobs", json=body, headers=headers)).json()["id"]
    await client.delete(f"/v1/jobs/{job}")
    assert (await client.delete(f"/v1/pictures/{image['id']}")).status_code == 200
    again = await client.post("/v1/jobs", json=body, headers=headers)
    assert (again.status_code, again.json().get("id")) == (202, job)


def test_jobs_hold_what_they_start_from_until_they_have_ended(mine: ServiceConfig, graph: Graph) -> None:
    layer = {"prompt": "a castle", "image": IMAGE, "mask": MASK, **STEPS}
    with (
        listening(served(build_http(mine, graph))) as url,
        httpx.Client(base_url=url, timeout=60, trust_env=False) as before,
    ):
        uploaded = before.post("/v1/pictures", files={"file": a_file(PLACE)}).json()["id"]
        job = submit(before, layer, {**layer, "image": {"id": uploaded}})
        expire(mine)
        held = before.delete(f"/v1/pictures/{uploaded}")
        assert error_of(held)[:2] == (422, "invalid_request")
    with with_worker(mine, graph) as url, httpx.Client(base_url=url, timeout=60, trust_env=False) as after:
        assert [scene["status"] for scene in ended(after, job)] == ["succeeded", "succeeded"]
        assert after.delete(f"/v1/pictures/{uploaded}").status_code in (200, 404)


def test_a_picture_that_is_damaged_in_the_queue_fails_its_scene_alone(
    mine: ServiceConfig, graph: Graph
) -> None:
    with (
        listening(served(build_http(mine, graph))) as url,
        httpx.Client(base_url=url, timeout=60, trust_env=False) as before,
    ):
        job = submit(before, {"prompt": "a castle", "image": IMAGE, **STEPS}, {"prompt": "a hill", **STEPS})
        for file in files_of(mine):
            file.unlink()
    with with_worker(mine, graph) as url, httpx.Client(base_url=url, timeout=60, trust_env=False) as after:
        failed, painted = ended(after, job)
        assert (failed["status"], painted["status"]) == ("failed", "succeeded")
        assert failed["error"]["code"] == "gone" and failed["error"]["param"] == "background.image"
