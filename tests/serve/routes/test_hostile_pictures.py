"""Bad pictures on every route that paints from one: each gets a clear error, and none is kept."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from sqlalchemy import func, select, update

from serve.config.service_config import ServiceConfig
from serve.graph.scene import Graph
from serve.http import body_limits
from serve.http.body_limits import BodyBudget
from serve.ingress import build_http
from serve.state.job_tables import jobs
from serve.state.open_state import open_state
from serve.state.picture_tables import pictures
from tests.support.local_service import served
from tests.support.uploads import As, a_file, a_huge_file, error_of, files_of

Send = Callable[[str, Any, Any], Any]
PLACE = np.random.default_rng(5).integers(60, 200, (64, 96, 3)).astype(np.uint8)
FILE, LARGER = a_file(PLACE), a_file(np.zeros((72, 96, 4), np.uint8))
CLEAR = a_file(np.zeros((64, 96, 4), np.uint8))
LAYER = {"prompt": "a castle", "seed": 1, "num_inference_steps": 1}
PATHS: dict[str, tuple[str, Callable[[dict[str, Any]], dict[str, Any]]]] = {
    "": ("/v1/backgrounds", lambda layer: layer),
    "- ": ("/v1/characters", lambda layer: layer),
    "character.": ("/v1/scenes", lambda layer: {"character": layer, "background": "b"}),
    "characters.1.": ("/v1/scenes", lambda layer: {"characters": ["a", layer], "background": "b"}),
    "background.": (
        "/v1/images/generations",
        lambda layer: {"prompt": "", "character": "a", "background": layer},
    ),
    "scenes.1.background.": (
        "/v1/jobs",
        lambda layer: {
            "scenes": [{"character": "a", "background": "b"}, {"character": "a", "background": layer}]
        },
    ),
}
"""The routes with JSON, by the layer's place in the body."""


@pytest.fixture
def mine(config: ServiceConfig, tmp_path: Path) -> ServiceConfig:
    return config.model_copy(update={"state_dir": str(tmp_path / "state")})


@pytest.fixture
def budgets(monkeypatch: pytest.MonkeyPatch) -> list[BodyBudget]:
    """Return a list of the byte budgets of all edges, filled as they are built."""
    made: list[BodyBudget] = []

    class Seen(BodyBudget):
        def __init__(self, most_bytes: int) -> None:
            super().__init__(most_bytes)
            made.append(self)

    monkeypatch.setattr(body_limits, "BodyBudget", Seen)
    return made


@pytest.fixture
def client_of(mine: ServiceConfig, graph: Graph, budgets: list[BodyBudget]) -> Iterator[Callable[..., Any]]:
    def make(tenant: str = "a", config: ServiceConfig = mine) -> httpx.AsyncClient:
        app = As(build_http(config, graph), tenant)
        transport = httpx.ASGITransport(served(app))
        return httpx.AsyncClient(transport=transport, base_url="http://localhost", timeout=60)

    yield make
    assert [budget.held_bytes for budget in budgets] == [0] * len(budgets), "bytes are still counted"


def inline(data: bytes) -> dict[str, str]:
    return {"b64_json": base64.b64encode(data).decode()}


def kept_of(config: ServiceConfig) -> tuple[int, int, int]:
    """Count the files, the pictures and the jobs that are kept."""
    with open_state(config.state_folder, config.jobs).connect() as connection:
        counts = [
            connection.execute(select(func.count()).select_from(each)).scalar() for each in (pictures, jobs)
        ]
    return len(files_of(config)), int(counts[0] or 0), int(counts[1] or 0)


BAD: list[tuple[str, dict[str, Any], str]] = [
    ("a mask of another size", {"image": inline(FILE), "mask": inline(LARGER)}, "mask"),
    ("a picture of 200 megapixels", {"image": inline(a_huge_file())}, "image.b64_json"),
    ("a mask of 200 megapixels", {"image": inline(FILE), "mask": inline(a_huge_file())}, "mask.b64_json"),
    ("an id of nobody", {"image": {"id": "pic_" + "0" * 64}}, "image.id"),
    ("no id", {"image": inline(FILE), "mask": {"id": "../../etc/passwd"}}, "mask.id"),
    ("an address", {"image": {"url": "http://169.254.169.254/"}}, "image"),
    ("both", {"image": {"id": "pic_0", **inline(FILE)}}, "image"),
    ("half a file", {"image": inline(FILE[: len(FILE) // 2])}, "image.b64_json"),
    ("a file with a bomb", {"image": inline(FILE[:40] + a_huge_file())}, "image.b64_json"),
    ("a mask alone", {"mask": inline(FILE)}, "mask"),
    ("too far", {"image": inline(FILE), "strength": 1.01}, "strength"),
    ("nowhere", {"image": inline(FILE), "strength": 0}, "strength"),
]


@pytest.mark.parametrize("place", PATHS)
async def test_each_is_named_and_nothing_is_kept(
    client_of: Callable[..., httpx.AsyncClient], mine: ServiceConfig, place: str
) -> None:
    client, (path, body) = client_of(), PATHS[place]
    for name, layer, param in BAD:
        refused = await client.post(path, json=body(LAYER | layer))
        expected = (422, "invalid_request", place.removeprefix("- ") + param)
        assert error_of(refused) == expected, (name, refused.text)
    assert kept_of(mine) == (0, 0, 0)


@pytest.mark.parametrize("place", PATHS)
async def test_a_strength_that_is_no_number_is_no_json(
    client_of: Callable[..., httpx.AsyncClient], place: str
) -> None:
    path, body = PATHS[place]
    content = json.dumps(body(LAYER | {"image": inline(FILE), "strength": float("nan")}))
    refused = await client_of().post(path, content=content, headers={"Content-Type": "application/json"})
    assert error_of(refused) == (400, "invalid_json", None)


@pytest.mark.parametrize(
    ("files", "param"),
    [
        ({"image": FILE, "mask": LARGER}, "mask"),
        ({"image": a_huge_file()}, "image"),
        ({"image": FILE, "mask": a_huge_file()}, "mask"),
        ({"image": FILE, "mask": FILE}, "mask"),
        ({"image": FILE[: len(FILE) // 2], "mask": CLEAR}, "image"),
        ({"mask": CLEAR}, "image"),
    ],
    ids=["another size", "200 megapixels", "a mask of 200 megapixels", "opaque", "cut short", "no image"],
)
async def test_an_edits_are_too(
    client_of: Callable[..., httpx.AsyncClient], mine: ServiceConfig, files: dict[str, bytes], param: str
) -> None:
    named = {name: (f"{name}.png", data) for name, data in files.items()}
    refused = await client_of().post("/v1/images/edits", data={"prompt": "a"}, files=named)
    assert error_of(refused) == (422, "invalid_request", param)
    edited = await client_of().post(
        "/v1/images/edits", data={"prompt": "a", "num_inference_steps": "1"}, files={"image": FILE}
    )
    assert edited.status_code == 200, edited.text
    assert kept_of(mine) == (0, 0, 0), "the picture of an edit is not kept either"


@pytest.mark.parametrize("place", PATHS)
async def test_another_tenants_id_and_one_that_has_expired_are_not_there(
    client_of: Callable[..., httpx.AsyncClient], mine: ServiceConfig, place: str
) -> None:
    path, body = PATHS[place]
    uploaded = await client_of("b").post("/v1/pictures", files={"file": FILE})
    layer = body(LAYER | {"image": {"id": uploaded.json()["id"]}})
    param = place.removeprefix("- ") + "image.id"
    theirs = await client_of("a").post(path, json=layer)
    assert error_of(theirs) == (422, "invalid_request", param)
    with open_state(mine.state_folder, mine.jobs).begin() as connection:
        connection.execute(update(pictures).values(expires_at=1.0))
    expired = await client_of("b").post(path, json=layer)
    assert error_of(expired) == (422, "invalid_request", param)
    assert theirs.json()["error"]["message"] == expired.json()["error"]["message"], (
        "the message does not say which it is"
    )


async def test_uploads_all_at_once_keep_no_more_than_may_be_kept(
    client_of: Callable[..., httpx.AsyncClient], mine: ServiceConfig
) -> None:
    most, sent = 12, 80
    client = client_of(config=mine.model_copy(update={"pictures": replace(mine.pictures, max_kept=most)}))
    files = [a_file(np.full((16, 16, 3), tint, np.uint8)) for tint in range(sent)]
    answers = await asyncio.gather(*(client.post("/v1/pictures", files={"file": file}) for file in files))
    kept = [answer for answer in answers if answer.status_code == 200]
    assert len(kept) == most
    assert {error_of(answer)[:2] for answer in answers if answer not in kept} == {
        (507, "insufficient_storage")
    }
    assert kept_of(mine)[:2] == (most, most)
