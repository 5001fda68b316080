"""Two models per layer over HTTP: a request chooses one, and a model that does not load stops no other."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx
import pytest

from deployments import generator
from deployments.diffusion.simulated.simulated_painter import SimulatedPainter
from deployments.errors import NotReady
from deployments.messages import LayerJob, LayerKind
from serve.config.service_config import ServiceConfig
from serve.graph.scene import Graph
from serve.ingress import build_http
from tests.support.local_service import local_graph, served, simulated_config, with_worker
from tests.support.scene_requests import error_of

SDXL = "stabilityai/stable-diffusion-xl-base-1.0"
SCHNELL = "black-forest-labs/FLUX.1-schnell"
JSON = {"Accept": "application/json"}
SMALL = {"width": 64, "height": 64, "num_inference_steps": 2}
TORN = "unet is cut short"


def several(
    state_dir: Path, *further: str, kinds: tuple[LayerKind, ...] = ("character", "background")
) -> ServiceConfig:
    data = simulated_config().model_dump() | {"state_dir": str(state_dir)}
    for kind in kinds:
        own = data[kind]["generator"]
        data[kind]["models"] = [
            {"generator": {**own, "model": own["model"] | {"source": source}}} for source in further
        ]
    return ServiceConfig.model_validate(data)


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> ServiceConfig:
    return several(tmp_path_factory.mktemp("state"), SDXL)


@pytest.fixture(scope="module")
def graph_of_two(two: ServiceConfig) -> Graph:
    return local_graph(two)


def sending(config: ServiceConfig, graph: Graph) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(served(build_http(config, graph)))
    return httpx.AsyncClient(transport=transport, base_url="http://localhost")


@pytest.fixture
def client(two: ServiceConfig, graph_of_two: Graph) -> httpx.AsyncClient:
    return sending(two, graph_of_two)


def scene(character: str | None = None, background: str | None = None, **more: Any) -> dict[str, Any]:
    return {
        "character": {"prompt": "a knight", "model": character, **SMALL},
        "background": {"prompt": "a castle", "model": background, **SMALL},
        **more,
    }


def refused_with(response: httpx.Response, status: int, code: str) -> dict[str, Any]:
    error = error_of(response)
    assert (response.status_code, error["code"]) == (status, code)
    return error


@pytest.mark.parametrize("character", [None, "storybook-character", SDXL])
@pytest.mark.parametrize("background", [None, "storybook-background", SDXL])
async def test_each_layer_of_a_scene_chooses_its_own(
    client: httpx.AsyncClient, character: str | None, background: str | None
) -> None:
    response = await client.post("/v1/scenes", json=scene(character, background), headers=JSON)
    assert response.json()["models"] == {
        "character": f"simulated {character or 'storybook-character'}",
        "background": f"simulated {background or 'storybook-background'}",
    }


@pytest.mark.parametrize("kind", ["character", "background"])
async def test_so_does_a_layer_alone(client: httpx.AsyncClient, kind: str) -> None:
    requested = {"prompt": "a tower", **SMALL}
    first = (await client.post(f"/v1/{kind}s", json=requested, headers=JSON)).json()
    other = (await client.post(f"/v1/{kind}s", json=requested | {"model": SDXL}, headers=JSON)).json()
    assert (first["model"], other["model"]) == (f"simulated storybook-{kind}", f"simulated {SDXL}")


@pytest.mark.parametrize(
    ("path", "body", "param"),
    [
        ("/v1/scenes", scene("nobody/nothing"), "character.model"),
        ("/v1/scenes", scene(background="storybook-character"), "background.model"),
        ("/v1/characters", {"prompt": "a", "model": "storybook-background"}, "model"),
        ("/v1/images/generations", {"prompt": "a", "model": "nobody/nothing"}, "model"),
        ("/v1/images/generations", {"prompt": "a | b", "model": SCHNELL}, "model"),
        ("/v1/jobs", {"scenes": [scene(), scene("nobody/nothing")]}, "scenes.1.character.model"),
    ],
)
async def test_an_unknown_one_is_refused_by_name(
    client: httpx.AsyncClient, path: str, body: dict[str, Any], param: str
) -> None:
    error = refused_with(await client.post(path, json=body), 422, "invalid_request")
    assert error["param"] == param
    assert SDXL in error["message"]
    assert "storybook-" in error["message"]


async def test_all_are_listed_with_what_they_do_by_default(client: httpx.AsyncClient) -> None:
    data = (await client.get("/v1/models")).json()["data"]
    assert [(each["id"], each["serving"], each["default_for"]) for each in data[:4]] == [
        ("storybook-character", ["character"], ["character"]),
        (SDXL, ["character", "background"], []),
        ("storybook-background", ["background"], ["background"]),
        ("stable-diffusion-v1-5/stable-diffusion-v1-5", [], []),
    ]
    xl = (await client.get(f"/v1/models/{SDXL}")).json()
    assert xl == data[1]
    assert xl["defaults"]["background"] == {
        "num_inference_steps": 20,
        "guidance_scale": 6.0,
        "width": 512,
        "height": 384,
    }


@pytest.mark.parametrize(
    ("more", "models"),
    [
        ({"model": SDXL, "prompt": "a knight"}, 1),
        ({"model": SDXL, "prompt": "a knight | a castle"}, 2),
        ({"model": "storybook-background", "prompt": "a castle"}, 1),
    ],
)
async def test_openais_model_may_be_any_of_them(
    client: httpx.AsyncClient, more: dict[str, Any], models: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[str] = []
    painter = Graph.painter

    def noting(graph: Graph, job: LayerJob) -> Any:
        sent.append(job.generator)
        return painter(graph, job)

    monkeypatch.setattr(Graph, "painter", noting)
    response = await client.post("/v1/images/generations", json=more | {"num_inference_steps": 2})
    assert response.status_code == 200
    if more["model"] == SDXL:
        assert sent == [f"character:{SDXL}", f"background:{SDXL}"][:models]
    else:
        assert sent == ["background"]


async def test_a_family_is_that_of_the_model_that_is_named(tmp_path: Path) -> None:
    config = several(tmp_path, SCHNELL)
    requested = {"prompt": "a knight", "negative_prompt": "blur", **SMALL}
    async with sending(config, local_graph(config)) as client:
        refused = await client.post("/v1/characters", json=requested | {"model": SCHNELL})
        assert refused_with(refused, 422, "invalid_request")["param"] == "negative_prompt"
        assert (await client.post("/v1/characters", json=requested)).status_code == 200


async def test_the_openapi_page_names_them_all(client: httpx.AsyncClient) -> None:
    page = (await client.get("/openapi.json")).json()
    layer = page["paths"]["/v1/characters"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    (names,) = (option["enum"] for option in layer["properties"]["model"]["anyOf"] if "enum" in option)
    assert {"storybook-character", SDXL} <= set(names)


def test_a_jobs_scene_is_painted_by_the_model_it_named(two: ServiceConfig, graph_of_two: Graph) -> None:
    with (
        with_worker(two, graph_of_two) as url,
        httpx.Client(base_url=url, timeout=60, trust_env=False) as http,
    ):
        scenes = [scene(SDXL, layers=True), scene(layers=True)]
        job = http.post("/v1/jobs", json={"scenes": scenes}).json()["id"]
        assert http.get(f"/v1/jobs/{job}/events").text.count('"succeeded"') >= 2
        responses = [http.get(f"/v1/jobs/{job}/scenes/{number}", headers=JSON).json() for number in range(2)]
    assert [response["models"]["character"] for response in responses] == [
        f"simulated {SDXL}",
        "simulated storybook-character",
    ]


class Torn(SimulatedPainter):
    def load(self) -> None:
        raise NotReady(TORN)


@pytest.fixture
def torn(monkeypatch: pytest.MonkeyPatch) -> str:
    """Return the id of a model that does not load."""
    build = generator._build_painter

    def build_or_tear(config: generator.GeneratorConfig, kind: LayerKind) -> Any:
        return Torn(config.simulated, kind) if config.model.source == SCHNELL else build(config, kind)

    monkeypatch.setattr(generator, "_build_painter", build_or_tear)
    return SCHNELL


@pytest.mark.parametrize("first", [False, True])
async def test_one_that_does_not_load_takes_nothing_from_the_others(
    tmp_path: Path, torn: str, first: bool
) -> None:
    config = several(tmp_path, torn, kinds=("character",))
    if first:
        config = config.with_environment({"CHARACTER_MODEL": torn})
    good, generator_name = "storybook-character", "character" if first else f"character:{torn}"
    async with sending(config, local_graph(config)) as client:
        ready = await client.get("/readyz")
        assert ready.json() == {
            "status": "degraded",
            "reasons": [f"{generator_name}: {TORN}"],
            "backend": "simulated",
        }
        refused = refused_with(await client.post("/v1/scenes", json=scene(torn)), 503, "not_ready")
        assert refused["message"] == TORN
        painted = await client.post("/v1/scenes", json=scene(good), headers=JSON)
        assert painted.json()["models"]["character"] == f"simulated {good}"
        unnamed = await client.post("/v1/scenes", json=scene())
        assert unnamed.status_code == (503 if first else 200)


async def test_where_none_loads_the_service_is_not_ready(tmp_path: Path, torn: str) -> None:
    config = several(tmp_path, kinds=("character",)).with_environment({"CHARACTER_MODEL": torn})
    async with sending(config, local_graph(config)) as client:
        message = refused_with(await client.get("/readyz"), 503, "not_ready")["message"]
    assert message == f"character: {TORN}"
