"""/v1/cast over real HTTP semantics and real stores, and `cast` in a layer on every route that has layers."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from serve.config.kept_config import CastConfig
from serve.config.service_config import ServiceConfig
from serve.graph.scene import Graph
from serve.ingress import build_http
from tests.support.local_service import listening, served, with_worker
from tests.support.uploads import TINTS, As, a_file, error_of, files_of

Ask = Callable[..., httpx.AsyncClient]
STEPS = {"num_inference_steps": 4}
JSON = {"Accept": "application/json"}
OTHER = 255 - TINTS


def inline(pixels: Any = TINTS) -> dict[str, str]:
    return {"b64_json": base64.b64encode(a_file(pixels)).decode()}


MIRA = {"name": "mira", "description": "a girl with red hair", "seed": 77, "negative_prompt": "hats"}


@pytest.fixture
def mine(config: ServiceConfig, tmp_path: Path) -> ServiceConfig:
    return config.model_copy(update={"state_dir": str(tmp_path / "state")})


@pytest.fixture
def cast_client(mine: ServiceConfig, graph: Graph) -> Ask:
    def make(tenant: str = "a", **changes: Any) -> httpx.AsyncClient:
        app = As(build_http(mine.model_copy(update=changes), graph), tenant)
        return httpx.AsyncClient(
            transport=httpx.ASGITransport(served(app)), base_url="http://localhost", timeout=60
        )

    return make


async def add(client: httpx.AsyncClient, **changes: Any) -> httpx.Response:
    answer = await client.post("/v1/cast", json=MIRA | changes)
    assert answer.status_code == 201, answer.text
    return answer


async def test_a_member_is_kept_listed_changed_and_removed(cast_client: Ask, mine: ServiceConfig) -> None:
    client = cast_client()
    added = await add(client, references=[inline(), inline(OTHER)])
    member = added.json()
    assert added.headers["location"] == "/v1/cast/mira" and added.headers["etag"]
    assert {name: member[name] for name in MIRA} == MIRA and member["version"] == 1
    assert [set(each) for each in member["references"]] == [{"id"}] * 2
    found = await client.get("/v1/cast/mira")
    assert (found.json(), found.headers["etag"]) == (member, added.headers["etag"])
    assert (await client.head("/v1/cast/mira")).headers["etag"] == added.headers["etag"]
    changed = await client.put("/v1/cast/mira", json={"description": "a boy", "version": 1})
    assert changed.status_code == 200, changed.text
    assert (changed.json()["version"], changed.json()["seed"], changed.json()["references"]) == (2, None, [])
    listed = await client.get("/v1/cast")
    assert listed.json() == {"data": [changed.json()], "next": None}
    assert (await client.delete("/v1/cast/mira")).json() == changed.json()
    for gone in (
        await client.get("/v1/cast/mira"),
        await client.delete("/v1/cast/mira"),
        await client.put("/v1/cast/mira", json={"description": "anew"}),
    ):
        assert error_of(gone) == (404, "not_found", None)


async def test_removing_a_member_removes_its_pictures(cast_client: Ask, mine: ServiceConfig) -> None:
    client = cast_client()
    uploaded = (await client.post("/v1/pictures", files={"file": a_file()})).json()["id"]
    await add(client, references=[{"id": uploaded}, inline(OTHER)])
    assert len(files_of(mine)) == 2
    held = await client.delete(f"/v1/pictures/{uploaded}")
    assert error_of(held)[:2] == (422, "invalid_request")
    assert (await client.delete("/v1/cast/mira")).status_code == 200
    assert files_of(mine) == []
    assert (await client.get(f"/v1/pictures/{uploaded}")).status_code == 404


async def test_another_tenant_gets_404_and_may_have_the_name(cast_client: Ask) -> None:
    a, b = cast_client("a"), cast_client("b")
    await add(a)
    for refused in (
        await b.get("/v1/cast/mira"),
        await b.put("/v1/cast/mira", json={"description": "stolen"}),
        await b.delete("/v1/cast/mira"),
    ):
        assert error_of(refused) == (404, "not_found", None)
    assert (await b.get("/v1/cast")).json()["data"] == []
    painted = await b.post("/v1/characters", json={"cast": "mira", "prompt": "waves", **STEPS})
    assert error_of(painted) == (422, "invalid_request", "cast")
    await add(b, description="another girl")
    assert (await a.get("/v1/cast/mira")).json()["description"] == MIRA["description"]


async def test_another_tenants_picture_is_no_reference(cast_client: Ask) -> None:
    uploaded = (await cast_client("a").post("/v1/pictures", files={"file": a_file()})).json()["id"]
    refused = await cast_client("b").post("/v1/cast", json=MIRA | {"references": [{"id": uploaded}]})
    assert error_of(refused) == (422, "invalid_request", "references.0.id")


async def test_a_change_of_another_version_is_refused(cast_client: Ask) -> None:
    client = cast_client()
    tag = (await add(client)).headers["etag"]
    put = {"description": "a boy"}
    fine = await client.put("/v1/cast/mira", json=put, headers={"If-Match": f'"x", {tag}'})
    assert fine.status_code == 200 and fine.headers["etag"] != tag
    by_tag = await client.put("/v1/cast/mira", json=put, headers={"If-Match": tag})
    assert error_of(by_tag) == (412, "precondition_failed", "If-Match")
    weak = await client.put("/v1/cast/mira", json=put, headers={"If-Match": f'W/{fine.headers["etag"]},"x"'})
    assert error_of(weak) == (412, "precondition_failed", "If-Match")
    by_number = await client.put("/v1/cast/mira", json=put | {"version": 1})
    assert error_of(by_number) == (412, "precondition_failed", "version")
    removed = await client.delete("/v1/cast/mira", headers={"If-Match": tag})
    assert error_of(removed) == (412, "precondition_failed", "If-Match")
    for text in ("1", "", "*, 1"):
        odd = await client.put("/v1/cast/mira", json=put, headers={"If-Match": text})
        assert error_of(odd) == (400, "invalid_request", "If-Match"), text
    assert (await client.get("/v1/cast/mira")).json()["version"] == 2
    for any_ in ({"If-Match": "*"}, {}):
        assert (await client.put("/v1/cast/mira", json=put, headers=any_)).status_code == 200


@pytest.mark.parametrize(
    ("changes", "status", "param"),
    [
        ({"loras": [{"name": "x", "scale": 99}]}, 422, "loras.0.scale"),
        ({"name": ""}, 422, "name"),
        ({"name": "../x"}, 422, "name"),
        ({"name": "a" * 65}, 422, "name"),
        ({"name": None}, 422, "name"),
        ({"description": "x" * 2_001}, 422, "description"),
        ({"negative_prompt": "x" * 2_001}, 422, "negative_prompt"),
        ({"references": [inline()] * 5}, 422, "references"),
        ({"references": [{"url": "http://x"}]}, 422, "references.0"),
        ({"references": [{"id": "pic_" + "0" * 64}]}, 422, "references.0.id"),
        ({"references": [inline(), {"b64_json": "????"}]}, 422, "references.1.b64_json"),
        ({"seed": -1}, 422, "seed"),
        ({"version": 1}, 422, "version"),
        ({"height": 1}, 422, "height"),
    ],
)
async def test_what_is_no_member_is_refused_by_name(
    cast_client: Ask, changes: dict[str, Any], status: int, param: str
) -> None:
    client = cast_client()
    assert error_of(await client.post("/v1/cast", json=MIRA | changes)) == (status, "invalid_request", param)
    assert (await client.get("/v1/cast")).json()["data"] == []


async def test_what_is_refused_keeps_no_picture(cast_client: Ask, mine: ServiceConfig) -> None:
    client = cast_client(cast=CastConfig(max_members=1))
    await add(client)
    pictures = {"references": [inline()]}
    taken = await client.post("/v1/cast", json=MIRA | pictures)
    full = await client.post("/v1/cast", json=MIRA | pictures | {"name": "tom"})
    stale = await client.put("/v1/cast/mira", json=pictures | {"version": 3})
    nobody = await client.put("/v1/cast/tom", json=pictures)
    assert [each.status_code for each in (taken, full, stale, nobody)] == [409, 507, 412, 404]
    assert files_of(mine) == []


async def test_names_and_numbers_are_bounded(cast_client: Ask) -> None:
    client = cast_client(cast=CastConfig(max_members=1))
    await add(client)
    assert error_of(await client.post("/v1/cast", json=MIRA)) == (409, "conflict", "name")
    full = await client.post("/v1/cast", json=MIRA | {"name": "tom"})
    assert error_of(full) == (507, "insufficient_storage", None) and full.headers["retry-after"]
    renamed = await client.put("/v1/cast/mira", json={"name": "tom"})
    assert error_of(renamed) == (422, "invalid_request", "name")
    for odd in ("%00", "a%20b", "..%2f", "é", "x" * 300):
        assert (await client.get(f"/v1/cast/{odd}")).status_code == 404


async def test_the_cast_is_listed_by_pages(cast_client: Ask) -> None:
    client = cast_client()
    for name in ("b", "a", "c"):
        await add(client, name=name)
    first = (await client.get("/v1/cast?limit=2")).json()
    assert ([each["name"] for each in first["data"]], first["next"]) == (["a", "b"], "b")
    rest = (await client.get("/v1/cast?limit=2&after=b")).json()
    assert ([each["name"] for each in rest["data"]], rest["next"]) == (["c"], None)
    assert error_of(await client.get("/v1/cast?limit=0"))[0] == 422


async def test_a_layer_paints_her_as_if_all_of_it_had_been_sent(cast_client: Ask) -> None:
    client = cast_client()
    await add(client, references=[inline()])
    sent = {"prompt": "waves, in the rain", **STEPS, "output": {"format": "png"}}
    whole = {
        "prompt": "a girl with red hair, waves, in the rain",
        "seed": 77,
        "negative_prompt": "hats",
        "image": inline(),
        "strength": 0.6,
    }
    hers = await client.post("/v1/characters", json=sent | {"cast": "mira"}, headers=JSON)
    assert hers.status_code == 200, hers.text
    size = {"width": hers.json()["image"]["width"], "height": hers.json()["image"]["height"]}
    same = await client.post("/v1/characters", json=sent | whole | size, headers=JSON)
    assert hers.json()["image"]["b64_json"] == same.json()["image"]["b64_json"]
    shown = hers.json()["cast"]
    assert (shown["name"], shown["version"]) == ("mira", 1) and "cast" not in same.json()
    assert hers.headers["x-cast"] == "mira@1" and "x-cast" not in same.headers


async def test_her_loras_are_kept_and_sent_to_the_model(cast_client: Ask) -> None:
    client = cast_client()
    loras = [{"name": "watercolor", "scale": 0.8}, {"name": "ink", "scale": 1.0}]
    assert (await add(client, loras=loras)).json()["loras"] == loras
    assert (await client.get("/v1/cast/mira")).json()["loras"] == loras
    layer = {"cast": "mira", "prompt": "waves", **STEPS}
    refused = await client.post("/v1/characters", json=layer)
    assert error_of(refused)[2] in ("loras", "loras.0.name"), "this service has no LoRAs"
    assert (await client.post("/v1/characters", json=layer | {"loras": []})).status_code == 200


async def test_what_a_layer_has_of_its_own_wins(cast_client: Ask) -> None:
    client = cast_client()
    await add(client, references=[inline()])
    own = {"prompt": "waves", "seed": 5, "negative_prompt": "rain", "image": inline(OTHER), "strength": 0.9}
    layer = own | STEPS | {"output": {"format": "png"}}
    hers = await client.post("/v1/characters", json=layer | {"cast": "mira"}, headers=JSON)
    alone = layer | {"prompt": "a girl with red hair, waves"}
    same = await client.post("/v1/characters", json=alone, headers=JSON)
    assert hers.json()["image"]["b64_json"] == same.json()["image"]["b64_json"]


async def test_her_version_is_the_one_at_admission(cast_client: Ask) -> None:
    client = cast_client()
    await add(client)
    await client.put("/v1/cast/mira", json={"description": "a boy"})
    layer = {"cast": "mira", "prompt": "waves", **STEPS}
    assert (await client.post("/v1/characters", json=layer, headers=JSON)).json()["cast"]["version"] == 2


async def test_scenes_events_and_images_name_her_version(cast_client: Ask) -> None:
    client = cast_client()
    await add(client, references=[inline()])
    mira, place = {"cast": "mira", "prompt": "waves", **STEPS}, {"prompt": "a hill", **STEPS}
    shown = {"name": "mira", "version": 1}
    one = await client.post("/v1/scenes", json={"character": mira, "background": place}, headers=JSON)
    assert one.status_code == 200, one.text
    assert one.json()["cast"]["character"].items() >= shown.items()
    assert one.headers["x-cast"] == "character=mira@1"
    assert one.json()["seeds"]["character"] == 77
    several = {"characters": [{"prompt": "a fox", **STEPS}, mira], "background": place | {"cast": "mira"}}
    two = await client.post("/v1/scenes", json=several, headers=JSON)
    assert two.status_code == 200, two.text
    assert two.json()["cast"]["characters"][0] is None
    assert two.json()["cast"]["characters"][1].items() >= shown.items()
    assert two.json()["cast"]["background"].items() >= shown.items()
    assert two.headers["x-cast"] == "characters=-,mira@1; background=mira@1"
    streamed = await client.post(
        "/v1/scenes",
        json={"character": mira, "background": place},
        headers={"Accept": "text/event-stream"},
    )
    last = [line for line in streamed.text.splitlines() if line.startswith("data: ")][-1]
    streamed_cast = json.loads(last[6:])["cast"]["character"]
    assert streamed_cast == one.json()["cast"]["character"] and "consistency" in streamed_cast
    images = {"prompt": "", "character": mira, "background": place}
    answer = await client.post("/v1/images/generations", json=images)
    assert answer.status_code == 200, answer.text
    assert answer.headers["x-cast"] == "character=mira@1"


@pytest.mark.parametrize(
    ("path", "body", "param"),
    [
        ("/v1/characters", {"prompt": "x", "cast": "tom"}, "cast"),
        ("/v1/backgrounds", {"prompt": "x", "cast": "tom"}, "cast"),
        ("/v1/scenes", {"character": {"prompt": "x", "cast": "tom"}, "background": "y"}, "character.cast"),
        (
            "/v1/scenes",
            {"characters": ["z", {"prompt": "x", "cast": "tom"}], "background": "y"},
            "characters.1.cast",
        ),
        ("/v1/scenes", {"character": "x", "background": {"prompt": "x", "cast": "tom"}}, "background.cast"),
        ("/v1/scenes", {"character": {"prompt": "x", "cast": ""}, "background": "y"}, "character.cast"),
        ("/v1/scenes", {"character": {"prompt": "x", "cast": {}}, "background": "y"}, "character.cast"),
        (
            "/v1/images/generations",
            {"prompt": "", "character": {"prompt": "x", "cast": "tom"}, "background": {"prompt": "y"}},
            "character.cast",
        ),
        (
            "/v1/jobs",
            {
                "scenes": [
                    {"character": "a", "background": "b"},
                    {"character": {"prompt": "x", "cast": "tom"}, "background": "y"},
                ]
            },
            "scenes.1.character.cast",
        ),
    ],
)
async def test_a_member_that_is_not_there_is_refused_by_its_path(
    cast_client: Ask, path: str, body: dict[str, Any], param: str
) -> None:
    assert error_of(await cast_client().post(path, json=body)) == (422, "invalid_request", param)


async def test_words_that_are_too_long_together_are_refused(cast_client: Ask) -> None:
    client = cast_client()
    await add(client, description="x" * 1_500)
    refused = await client.post("/v1/characters", json={"cast": "mira", "prompt": "y" * 600})
    assert error_of(refused) == (422, "invalid_request", "prompt")
    assert "mira" in refused.json()["error"]["message"]


async def test_a_damaged_reference_is_said_of_the_cast(cast_client: Ask, mine: ServiceConfig) -> None:
    client = cast_client()
    await add(client, references=[inline()])
    files_of(mine)[0].write_bytes(b"rot")
    refused = await client.post("/v1/characters", json={"cast": "mira", "prompt": "waves"})
    assert error_of(refused)[:2] == (410, "gone")


async def test_the_same_key_is_the_same_job_after_a_member_is_gone(cast_client: Ask) -> None:
    client = cast_client()
    await add(client)
    figure = {"cast": "mira", "prompt": "waves", **STEPS}
    body, headers = (
        {"scenes": [{"character": figure, "background": "a hill"}]},
        {"Idempotency-Key": "order-1"},
    )
    first = await client.post("/v1/jobs", json=body, headers=headers)
    assert first.status_code == 202, first.text
    await client.delete("/v1/cast/mira")
    again = await client.post("/v1/jobs", json=body, headers=headers)
    assert (again.status_code, again.json().get("id")) == (202, first.json()["id"])
    other = await client.post("/v1/jobs", json=body, headers={"Idempotency-Key": "order-2"})
    assert error_of(other) == (422, "invalid_request", "scenes.0.character.cast")


def test_a_job_paints_her_as_she_was_when_it_was_submitted(mine: ServiceConfig, graph: Graph) -> None:
    """Neither a change nor her removal affects a waiting job, whose pictures are removed after its end."""
    figure = {"cast": "mira", "prompt": "waves", **STEPS}
    scene = {"character": figure, "background": {"prompt": "a hill", **STEPS}, "seed": 3}
    with (
        listening(served(build_http(mine, graph))) as url,
        httpx.Client(base_url=url, timeout=60, trust_env=False) as before,
    ):
        added = before.post("/v1/cast", json=MIRA | {"references": [inline()]})
        assert added.status_code == 201, added.text
        submitted = before.post("/v1/jobs", json={"scenes": [scene, scene]})
        assert submitted.status_code == 202, submitted.text
        job = submitted.json()["id"]
        changed = before.put("/v1/cast/mira", json={"description": "a boy", "references": [inline(OTHER)]})
        assert changed.status_code == 200, changed.text
        assert before.delete("/v1/cast/mira").status_code == 200
        reference = added.json()["references"][0]["id"]
        assert before.get(f"/v1/pictures/{reference}").status_code == 200, "the job holds the reference"
    with with_worker(mine, graph) as url, httpx.Client(base_url=url, timeout=60, trust_env=False) as after:
        with after.stream("GET", f"/v1/jobs/{job}/events") as events:
            events.read()
        scenes = after.get(f"/v1/jobs/{job}").json()["scenes"]
        assert [each["status"] for each in scenes] == ["succeeded", "succeeded"], scenes
        painted = after.get(f"/v1/jobs/{job}/scenes/0")
        assert painted.headers["x-cast"] == "character=mira@1"
        assert painted.headers["x-seed"].startswith("character=77;")
        assert after.delete(f"/v1/pictures/{reference}").status_code in (200, 404)


async def test_every_figure_of_a_member_has_its_consistency(cast_client: Ask) -> None:
    """A simulated figure depends on its seed alone: compare it with itself, another one, and nothing."""
    client = cast_client()
    fox = {"prompt": "a fox", "seed": 3, **STEPS}
    painted = await client.post("/v1/characters", json=fox | {"output": {"format": "png"}})
    reference = {"b64_json": base64.b64encode(painted.content).decode()}
    await add(client, name="fox", description="", seed=3, negative_prompt=None, references=[reference])
    await add(client, name="words")
    place = {"prompt": "a hill", **STEPS}
    several = [
        {"cast": "fox", "prompt": "a fox", **STEPS},
        {"cast": "fox", "prompt": "a fox", "seed": 4, **STEPS},
        {"cast": "words", "prompt": "waves", **STEPS},
        fox,
    ]
    scene = {"characters": several, "background": place | {"cast": "fox"}}
    answer = await client.post("/v1/scenes", json=scene, headers=JSON)
    assert answer.status_code == 200, answer.text
    first, second, words, nobody = answer.json()["cast"]["characters"]
    assert 0 <= second["consistency"] < first["consistency"] <= 1
    assert "consistency" not in words and nobody is None
    assert "consistency" not in answer.json()["cast"]["background"], "a place has no consistency"
    shown = [f"{each['consistency']:.2f}" for each in (first, second)]
    assert answer.headers["x-consistency"] == f"characters={shown[0]},{shown[1]},-,-"
    alone = several[0] | {"output": {"format": "png"}}
    layer = await client.post("/v1/characters", json=alone, headers=JSON)
    assert layer.status_code == 200, layer.text
    assert layer.json()["cast"]["consistency"] == first["consistency"]
    assert layer.headers["x-consistency"] == shown[0]


async def test_a_measure_that_fails_costs_no_picture(
    cast_client: Ask, graph: Graph, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = cast_client()
    await add(client, references=[inline()])

    def fails(*_: object) -> float:
        raise RuntimeError("of the test")

    monkeypatch.setattr("deployments.imaging.consistency.measure.ConsistencyMeasure.compare", fails)
    layer = {"cast": "mira", "prompt": "waves", **STEPS}
    answer = await client.post("/v1/scenes", json={"character": layer, "background": "a hill"}, headers=JSON)
    assert answer.status_code == 200, answer.text
    assert "consistency" not in answer.json()["cast"]["character"]
    assert answer.json()["warnings"] == ["character: its consistency could not be measured"]
