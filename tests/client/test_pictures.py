"""Start pictures in both clients: stored, and uploaded from files that a request names."""

from __future__ import annotations

import asyncio
import hashlib
import inspect
import json
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import httpx
import pytest
from PIL import Image

from scenewright import (
    AsyncScenewright,
    Gone,
    InvalidRequest,
    NotFound,
    NotScenewright,
    Retries,
    Scene,
    Scenewright,
)
from scenewright.pictures import LARGEST_BYTES
from serve.config.service_config import ServiceConfig
from serve.graph.scene import Graph
from serve.ingress import build_http
from tests.support.client_answers import RESPONSE, a_png
from tests.support.local_service import listening, served
from tests.support.sending import NEVER, not_sent, raised

LAYER = {**RESPONSE, "seed": 1, "model": "m"}
JOB = {"id": "job_1"}
CASTLE, MASK = a_png("blue"), a_png("white")


class Service:
    """Store pictures like the service, and record other requests; it serves both clients."""

    def __init__(self) -> None:
        self.pictures: dict[str, dict[str, Any]] = {}
        self.uploads: list[bytes] = []
        self.requested: list[Any] = []
        self.refusal: httpx.Response | None = None

    def __call__(self, request: httpx.Request) -> httpx.Response:
        method, path = request.method, request.url.path
        if (method, path) == ("POST", "/v1/pictures"):
            return self.refusal or self._keep(request)
        if path.startswith("/v1/pictures/"):
            return self._kept(request, path.rpartition("/")[2])
        self.requested.append(json.loads(request.content))
        if request.headers["accept"] == "text/event-stream":
            event = f"event: scene.completed\ndata: {json.dumps(RESPONSE)}\n\n"
            return httpx.Response(200, content=event.encode())
        return httpx.Response(200, json=JOB if path == "/v1/jobs" else LAYER)

    def _keep(self, request: httpx.Request) -> httpx.Response:
        _, boundary = request.headers["content-type"].split("boundary=")
        (part,) = request.content.split(f"--{boundary}".encode())[1:-1]
        header, _, rest = part.partition(b"\r\n\r\n")
        assert b'name="file"; filename="picture"' in header
        data = rest.removesuffix(b"\r\n")
        self.uploads.append(data)
        name = id_of(data)
        self.pictures[name] = {"id": name, "width": 8, "height": 4, "expires_at": 1_796_119_200}
        return httpx.Response(200, json=self.pictures[name])

    def _kept(self, request: httpx.Request, name: str) -> httpx.Response:
        if name not in self.pictures:
            error = {"code": "gone" if name == "pic_damaged" else "not_found", "message": "no"}
            return httpx.Response(410 if name == "pic_damaged" else 404, json={"error": error})
        if request.headers["accept"] == "image/png":
            return httpx.Response(200, content=CASTLE, headers={"content-type": "image/png"})
        kept = self.pictures[name]
        return httpx.Response(200, json=self.pictures.pop(name) if request.method == "DELETE" else kept)


def id_of(data: bytes) -> str:
    return f"pic_{hashlib.sha256(data).hexdigest()}"


Call = Callable[..., Any]


@pytest.fixture
def service() -> Service:
    return Service()


@pytest.fixture(params=[Scenewright, AsyncScenewright])
def call(request: pytest.FixtureRequest, service: Service) -> Call:
    """Return a function that calls a client's method by name: its result, or its stream's last event."""
    client = request.param("http://scenes:1", retries=NEVER, transport=httpx.MockTransport(service))

    async def done(called: Any) -> Any:
        if inspect.isasyncgen(called):
            return [event async for event in called][-1]
        return await called

    def ended(name: str, *arguments: Any, **options: Any) -> Any:
        called = getattr(client, name)(*arguments, **options)
        if request.param is AsyncScenewright:
            return asyncio.run(done(called))
        return list(called)[-1] if inspect.isgenerator(called) else called

    return ended


def test_a_picture_is_kept_found_and_removed(call: Call, service: Service, tmp_path: Path) -> None:
    (tmp_path / "castle.png").write_bytes(CASTLE)
    kept = {"id": id_of(CASTLE), "width": 8, "height": 4, "expires_at": 1_796_119_200}
    for given in (CASTLE, tmp_path / "castle.png", str(tmp_path / "castle.png")):
        assert call("upload_picture", given) == kept
    assert service.uploads == [CASTLE] * 3
    assert call("picture", kept["id"]) == kept
    assert call("picture_file", kept["id"]) == CASTLE
    assert call("delete_picture", kept["id"]) == kept
    assert type(raised(call, "picture", kept["id"])) is NotFound
    assert type(raised(call, "picture_file", "pic_damaged")) is Gone


@pytest.mark.parametrize("method", ["scene", "scene_events"])
def test_a_scenes_files_are_uploaded_first(method: str, call: Call, service: Service, tmp_path: Path) -> None:
    file = tmp_path / "castle.png"
    file.write_bytes(CASTLE)
    hero = {"prompt": "a knight", "image": file, "strength": 0.4}
    place = {"prompt": "a castle", "image": file, "mask": MASK, "seed": 7}
    call(method, hero, place, seed=1)
    castle, mask = {"id": id_of(CASTLE)}, {"id": id_of(MASK)}
    assert service.requested == [
        {
            "character": hero | {"image": castle},
            "background": place | {"image": castle, "mask": mask},
            "seed": 1,
        }
    ]
    assert hero["image"] is file, "the caller's object is not changed"
    assert place["mask"] is MASK


def test_several_figures_layers_and_jobs_have_files_too(call: Call, service: Service) -> None:
    castle, mask = {"id": id_of(CASTLE)}, {"id": id_of(MASK)}
    hero: dict[str, Any] = {"prompt": "a", "image": CASTLE, "mask": MASK}
    whole = hero | {"image": castle, "mask": mask}
    call("scene", ["a dog", hero], "b")
    for kind in ("character", "background"):
        call(kind, **hero)
    assert service.requested == [{"characters": ["a dog", whole], "background": "b"}, whole, whole]
    service.uploads.clear()
    call("submit_job", ({"characters": [hero], "background": hero}, {"character": hero, "background": "b"}))
    assert service.requested[-1]["scenes"] == [
        {"characters": [whole], "background": whole},
        {"character": whole, "background": "b"},
    ]
    assert service.uploads == [CASTLE, MASK], "each file is uploaded once, however many scenes start from it"


def test_references_and_a_poses_picture_are_files_too(call: Call, service: Service, tmp_path: Path) -> None:
    file = tmp_path / "castle.png"
    file.write_bytes(CASTLE)
    castle, mask, other = {"id": id_of(CASTLE)}, {"id": id_of(MASK)}, {"id": "pic_1"}
    hero: dict[str, Any] = {"prompt": "a", "references": (file, MASK, other), "pose": {"image": file}}
    whole = hero | {"references": [castle, mask, other], "pose": {"image": castle}}
    keypoints = {"prompt": "b", "pose": {"keypoints": [[0.5, 0.5, 1.0]] * 18}, "references": None}
    call("scene", ["a dog", hero], keypoints)
    call("character", **hero)
    call("submit_job", [{"character": hero, "background": keypoints}])
    assert service.requested == [
        {"characters": ["a dog", whole], "background": keypoints},
        whole,
        {"scenes": [{"character": whole, "background": keypoints}]},
    ]
    assert hero["references"][0] is file and hero["pose"]["image"] is file
    assert call("upload_picture", CASTLE)["id"] == castle["id"]
    call("background", "b", references=[call("upload_picture", CASTLE)])
    assert service.requested[-1] == {"prompt": "b", "references": [castle]}


def test_a_reference_that_cannot_be_read_sends_nothing(call: Call, service: Service, tmp_path: Path) -> None:
    for layer, param in (
        ({"references": [CASTLE, tmp_path / "nowhere.png"]}, "references.1"),
        ({"references": [CASTLE, str(tmp_path)]}, "references.1"),
        ({"pose": {"image": tmp_path / "nowhere.png"}}, "pose.image"),
        ({"pose": {"image": "castle.png"}}, "pose.image"),
    ):
        assert not_sent(call, "scene", {"prompt": "a", **layer}, "b").param == f"character.{param}"
    assert service.uploads == [] and service.requested == []


@pytest.mark.parametrize("given", [{"id": "pic_1"}, {"b64_json": "aGk="}, None])
def test_what_the_wire_knows_goes_as_it_is(given: Any, call: Call, service: Service) -> None:
    call("scene", {"prompt": "a", "image": given}, "b")
    assert service.requested == [{"character": {"prompt": "a", "image": given}, "background": "b"}]
    assert service.uploads == []


def test_what_an_upload_returned_can_be_painted_from(call: Call, service: Service) -> None:
    call("background", "b", image=call("upload_picture", CASTLE))
    assert service.requested == [{"prompt": "b", "image": {"id": id_of(CASTLE)}}]


@pytest.mark.parametrize("file", ["nowhere.png", "", ".", "a\0b", "\ud800.png", "n" * 5_000])
def test_a_file_that_cannot_be_read_sends_nothing(
    file: str, call: Call, service: Service, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    hero = {"prompt": "a", "image": CASTLE, "mask": Path(file)}
    assert not_sent(call, "upload_picture", file).param == "file"
    assert not_sent(call, "scene", hero, "b").param == "character.mask"
    assert not_sent(call, "scene", ["a", hero], "b").param == "characters.1.mask"
    assert not_sent(call, "scene_events", "a", hero).param == "background.mask"
    assert not_sent(call, "background", **hero).param == "mask"
    scenes = [{"character": "a", "background": "b"}, {"character": hero, "background": "b"}]
    assert not_sent(call, "submit_job", scenes).param == "scenes.1.character.mask"
    assert service.uploads == [] and service.requested == []


def test_a_file_that_is_too_large_is_not_read_whole(call: Call, service: Service, tmp_path: Path) -> None:
    large = tmp_path / "large.png"
    with large.open("wb") as file:
        file.truncate(1 << 40)  # A sparse file: it uses no disk space.
    for given in (large, bytes(LARGEST_BYTES + 1)):
        assert "is larger than 16 MiB" in not_sent(call, "upload_picture", given).message
        assert not_sent(call, "character", "a", image=given).param == "image"
    assert service.uploads == []


@pytest.mark.parametrize("given", [5, bytearray(b"x"), object(), b"x".hex])
def test_what_is_no_file(given: Any, call: Call, service: Service) -> None:
    assert "must be a file's bytes or its path" in not_sent(call, "upload_picture", given).message
    if given != 5:  # The service refuses a number.
        assert not_sent(call, "scene", {"prompt": "a", "image": given}, "b").param == "character.image"


def test_text_in_a_layer_opens_no_file(call: Call, service: Service, tmp_path: Path) -> None:
    """Requests that an application forwards for others must not read its machine's files."""
    (tmp_path / "castle.png").write_bytes(CASTLE)
    hero = {"prompt": "a", "image": str(tmp_path / "castle.png")}
    assert not_sent(call, "scene", hero, "b").param == "character.image"
    assert not_sent(call, "character", **hero).param == "image"
    error = not_sent(call, "submit_job", [{"character": "a", "background": hero}])
    assert str(error).startswith("scenes.0.background.image must be bytes, a pathlib.Path or")
    assert service.uploads == [] and service.requested == []


def test_a_picture_that_the_service_refuses_is_named_by_its_field(call: Call, service: Service) -> None:
    error = {"code": "invalid_request", "message": "file is not a valid PNG, JPEG or WebP picture"}
    service.refusal = httpx.Response(422, json={"error": error | {"param": "file", "request_id": "r1"}})
    refused = raised(call, "scene", "a", {"prompt": "b", "image": b"not a picture"})
    assert type(refused) is InvalidRequest and refused.request_id == "r1"
    assert refused.param == "background.image"
    assert str(refused) == "background.image is not a valid PNG, JPEG or WebP picture"
    refused = raised(call, "upload_picture", b"not a picture")
    assert type(refused) is InvalidRequest and refused.param == "file"


@pytest.mark.parametrize("picture_id", ["", ".", "..", "\ud800", None, 5, "p" * 300])
def test_what_is_no_pictures_id(picture_id: Any, call: Call) -> None:
    for name in ("picture", "picture_file", "delete_picture"):
        assert not_sent(call, name, picture_id).param == "picture_id"


def test_an_upload_is_repeated_and_a_removal_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.sleep", lambda wait_s: None)
    service, asked = Service(), list[str]()

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request.method)
        if len(asked) == 1:
            raise httpx.ReadError("cut")
        return service(request)

    client = Scenewright("http://scenes:1", retries=Retries(most=1), transport=httpx.MockTransport(answer))
    kept = client.upload_picture(CASTLE)
    assert asked == ["POST", "POST"]
    asked.clear()
    raised(client.delete_picture, kept["id"])
    assert asked == ["DELETE"]


def test_a_page_of_another_server_is_no_picture() -> None:
    page = httpx.Response(200, text="<html>", headers={"content-type": "text/html"})
    client = Scenewright("http://scenes:1", retries=NEVER, transport=httpx.MockTransport(lambda _: page))
    for call in (client.picture, client.picture_file, client.delete_picture):
        assert type(raised(call, "pic_1")) is NotScenewright


def test_a_real_edge_paints_inside_of_the_mask_alone(
    config: ServiceConfig, graph: Graph, tmp_path: Path
) -> None:
    noise, mask = Image.effect_noise((96, 64), 60).convert("RGB"), Image.new("L", (96, 64))
    mask.paste("white", (0, 0, 48, 64))
    for name, picture in (("castle.png", noise), ("mask.png", mask)):
        picture.save(tmp_path / name)
    with listening(served(build_http(config, graph))) as url, Scenewright(url, retries=NEVER) as client:
        kept = client.upload_picture(tmp_path / "castle.png")
        assert (kept["width"], kept["height"]) == (96, 64) and client.picture(kept["id"]) == kept
        assert Image.open(BytesIO(client.picture_file(kept["id"]))).tobytes() == noise.tobytes()
        start = {"image": tmp_path / "castle.png", "mask": tmp_path / "mask.png"}
        steps = {"num_inference_steps": 2, "seed": 1}
        painted = client.background("a castle", **start, **steps, output={"format": "png"}).image
        right = (48, 0, 96, 64)
        assert painted.size == (96, 64) and painted.crop(right).tobytes() == noise.crop(right).tobytes()
        assert painted.tobytes() != noise.tobytes()
        place = {"prompt": "a castle", **start, **steps}
        *_, last = client.scene_events("a knight", place)
        assert isinstance(last, Scene)
        refused = raised(client.scene, "a", {"prompt": "b", "image": b"not a picture"})
        assert str(refused).startswith("background.image is not a valid PNG")
        assert client.delete_picture(kept["id"])["id"] == kept["id"]  # Uploaded again, it is kept longer.
        assert type(raised(client.picture, kept["id"])) is NotFound
