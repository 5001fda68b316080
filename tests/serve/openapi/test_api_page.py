"""docs/api.md is generated from the schema, and its examples run."""

from __future__ import annotations

import secrets
import shlex
import subprocess
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path

import httpx
import pytest
from PIL import Image

from docs import api_page
from docs.api_examples import EXAMPLES, MIRA, URL, Example
from serve.auth.key_store import open_keys
from serve.config.service_config import ServiceConfig
from serve.graph.scene import Graph
from serve.ingress import build_http
from tests.support.local_service import REPOSITORY, listening, served
from tests.support.polling import until
from tests.support.scene_requests import SCENE
from tests.support.story_requests import story as small_story

MADE = ("story", "job", "picture", "member", "result")
"""Everything that an example's path may name."""
NAMES = [f"{example.method} {example.path}" for example in EXAMPLES]


def test_the_page_is_that_of_the_schema() -> None:
    kept = (REPOSITORY / "docs/api.md").read_text(encoding="utf-8")
    assert kept == api_page.page(), "run: python -m docs.api_page > docs/api.md"


async def test_every_route_has_an_example(client: httpx.AsyncClient) -> None:
    paths = (await client.get("/openapi.json")).json()["paths"]
    routes = {(method.upper(), path) for path, methods in paths.items() for method in methods}
    assert routes == {(example.method, example.route) for example in EXAMPLES}


@pytest.fixture
def job(url_with_worker: str) -> str:
    """Submit a job of one scene; return its id once it is painted."""
    with httpx.Client(base_url=url_with_worker, timeout=60, trust_env=False) as http:
        job_id: str = http.post("/v1/jobs", json={"scenes": [SCENE]}).json()["id"]
        assert '"succeeded"' in http.get(f"/v1/jobs/{job_id}/events").text
    return job_id


@pytest.fixture
def story(url_with_worker: str) -> str:
    """Submit a story of two pages; return its id once they are painted."""
    with httpx.Client(base_url=url_with_worker, timeout=60, trust_env=False) as http:
        story_id: str = http.post("/v1/stories", json=small_story(2)).json()["id"]
        until(lambda: http.get(f"/v1/stories/{story_id}").json()["status"] == "succeeded")
    return story_id


@pytest.fixture
def picture(url_with_worker: str) -> str:
    """Upload a picture; return its id."""
    data = BytesIO()
    Image.linear_gradient("L").save(data, "PNG")
    with httpx.Client(base_url=url_with_worker, timeout=60, trust_env=False) as http:
        picture_id: str = http.post("/v1/pictures", files={"file": data.getvalue()}).json()["id"]
    return picture_id


@pytest.fixture
def result(url_with_worker: str) -> str:
    """Paint a background; return the last part of its picture's link."""
    body = {**SCENE["background"], "output": {"as": "url"}}
    with httpx.Client(base_url=url_with_worker, timeout=60, trust_env=False) as http:
        answer = http.post("/v1/backgrounds", json=body)
    assert answer.status_code == 200, answer.text
    return str(answer.json()["image"]["url"]).rpartition("/")[2]


@pytest.fixture(scope="module")
def keyed(
    config: ServiceConfig, graph: Graph, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[str, str]]:
    """Start a service that requires keys; yield its address and a key."""
    folder = tmp_path_factory.mktemp("state")
    _, key = open_keys(folder).create("game", ("generate", "jobs"))
    settings = {"state_dir": str(folder), "authentication": "required"}
    with listening(served(build_http(config.model_copy(update=settings), graph))) as url:
        yield url, key


@pytest.fixture
def unnamed(url_with_worker: str) -> None:
    """Remove the cast member that an example creates, so that its name is free."""
    httpx.delete(f"{url_with_worker}/v1/cast/{MIRA['name']}", trust_env=False)


@pytest.fixture
def member(url_with_worker: str) -> str:
    """Add a member to the cast."""
    name = f"mira-{secrets.token_hex(4)}"
    with httpx.Client(base_url=url_with_worker, timeout=60, trust_env=False) as http:
        assert http.post("/v1/cast", json=MIRA | {"name": name}).status_code == 201
    return name


@pytest.fixture
def runs(
    url_with_worker: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[[Example, str], None]:
    """Create the files that examples send; return a check of an example's output."""
    monkeypatch.chdir(tmp_path)
    Image.linear_gradient("L").convert("RGB").save(tmp_path / "background.jpg")
    figure = Image.new("RGBA", (96, 128))
    figure.paste("teal", (30, 20, 66, 120))
    figure.save(tmp_path / "character.png")
    monkeypatch.setenv("NO_PROXY", "*")

    def look(example: Example, printed: str) -> None:
        if example.save:
            assert (
                (tmp_path / example.save)
                .read_bytes()
                .startswith((b"%PDF", b"PK", b"8BPS", b"\xff\xd8", b"\x89PNG"))
            )
        else:
            assert printed.startswith(("{", "event: ", ":"))

    return look


@pytest.fixture
def names(request: pytest.FixtureRequest, example: Example) -> dict[str, str]:
    """Create only what the path of an example names, since a story takes half a second."""
    return {name: request.getfixturevalue(name) for name in MADE if f"{{{name}}}" in example.path}


@pytest.mark.usefixtures("unnamed")
@pytest.mark.parametrize("example", EXAMPLES, ids=NAMES)
def test_the_curl_examples(
    example: Example,
    url_with_worker: str,
    names: dict[str, str],
    keyed: tuple[str, str],
    runs: Callable[[Example, str], None],
) -> None:
    url, key = keyed if example.by_key else (url_with_worker, "none")
    given = "".join(f"{name}={shlex.quote(value)}\n" for name, value in (names | {"key": key}).items())
    script = given + example.curl().replace(URL, url)
    done = subprocess.run(["sh", "-c", script], capture_output=True, text=True, timeout=100)
    assert done.returncode == 0, done.stdout + done.stderr
    runs(example, done.stdout)


@pytest.mark.usefixtures("unnamed")
@pytest.mark.parametrize("example", EXAMPLES, ids=NAMES)
def test_the_python_examples(
    example: Example,
    url_with_worker: str,
    names: dict[str, str],
    keyed: tuple[str, str],
    runs: Callable[[Example, str], None],
    capsys: pytest.CaptureFixture[str],
) -> None:
    url, key = keyed if example.by_key else (url_with_worker, "none")
    exec(example.python().replace(URL, url), names | {"key": key})  # noqa: S102 (our own code)
    runs(example, capsys.readouterr().out)
