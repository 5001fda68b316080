"""Run every command and program of the documentation, page by page.

They talk to a service with simulated models. What cannot run is listed in tests/support/unrun_commands.py.
"""

from __future__ import annotations

import gc
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import client_js
from tests.support.documented_service import MODEL, DocumentedService, documented_service
from tests.support.forked_commands import forked_commands
from tests.support.page_blocks import REPOSITORY, SHELL, Block, blocks
from tests.support.page_preparations import Preparation
from tests.support.page_reader import Reader
from tests.support.prepared_pages import PAGES

VISITED = """
const bar = {}, image = {}, token = process.env.TOKEN, fetchToken = async () => token, reach = fetch;
globalThis.fetch = (where, how) => (where === "/my-server/token" ? new Response(token) : reach(where, how));
"""
"""A stand-in for the web page that the program is on: its elements, and its own server."""
RUN = [each for each in blocks() if each.language in (*SHELL, "python") and each.runnable()]


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DocumentedService]:
    with documented_service(tmp_path_factory.mktemp("documented")) as running:
        yield running


@pytest.fixture(scope="module")
def functions(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Define shell commands: `scenewright`, and a curl that fails with the error if the service refuses."""
    with forked_commands(tmp_path_factory.mktemp("commands")) as scenewright:
        yield 'curl() { command curl --fail-with-body --silent --show-error "$@"; }\n' + scenewright


@pytest.fixture
def reader(
    request: pytest.FixtureRequest,
    service: DocumentedService,
    functions: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Reader:
    prepared = PAGES.get(request.param, Preparation())
    for name in ("examples", "models", "serve"):
        (tmp_path / name).symlink_to(REPOSITORY / name)
    (tmp_path / ".venv").symlink_to(sys.prefix)
    prepared.open_pictures(tmp_path)
    names = {"key": service.key, "KEY": service.key, "model": MODEL["source"]}
    names |= prepared.names(service, tmp_path, monkeypatch)
    url = service.keyed if prepared.keyed else service.url
    environment = {
        "HOME": str(tmp_path),
        "NO_PROXY": "*",
        "PATH": f"{sys.prefix}/bin{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(REPOSITORY),
        "SCENEWRIGHT_STATE_DIR": str(service.state if prepared.own_state else tmp_path / "state"),
        "SCENEWRIGHT_URL": url,
    }
    if prepared.keyed:
        environment["SCENEWRIGHT_API_KEY"] = service.key
    monkeypatch.chdir(tmp_path)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    words = {name: value for name, value in names.items() if isinstance(value, str)}
    return Reader(
        request.param,
        tmp_path,
        functions,
        url,
        (service.keyed, service.key),
        dict(prepared.replaced),
        {**os.environ, **words},
        names,
    )


@pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")  # Story Agent's classes close at exit
@pytest.mark.parametrize("reader", dict.fromkeys(each.page for each in RUN), indirect=True)
def test_the_page(reader: Reader, service: DocumentedService) -> None:
    for block in of_page(reader.page):
        service.forget_the_cast()
        if "$story" in block.code:
            reader.environment["story"] = service.story(reader.url)
        reader.run(block, block.runnable())
    for words in PAGES.get(reader.page, Preparation()).printed:
        assert words in "".join(reader.printed), words
    reader.names.clear()
    gc.collect()


def of_page(page: str) -> list[Block]:
    """Return the page's blocks. An indented program continues the one before."""
    found: list[Block] = []
    for block in (each for each in RUN if each.page == page):
        if block.language == "python" and block.code.startswith(" "):
            block = Block(page, "python", found.pop().code + block.code)
        found.append(block)
    return found


@pytest.mark.parametrize(
    "block", [each for each in blocks() if each.language == "ts"], ids=lambda each: each.page
)
def test_typescript(block: Block, service: DocumentedService, tmp_path: Path) -> None:
    """Run it in Node, since it has no types to remove, with the page's elements and the server's token."""
    (tmp_path / "node_modules").mkdir()
    (tmp_path / "node_modules/scenewright-client").symlink_to(client_js.built().parent)
    code = block.code.replace("https://paint.example.com", service.keyed)
    (tmp_path / "page.mjs").write_text(f"{VISITED}{code}console.log(image.src);")
    done = subprocess.run(
        ["node", "page.mjs"],
        cwd=tmp_path,
        env={**os.environ, "TOKEN": service.token(), "NO_PROXY": "*"},
        capture_output=True,
        text=True,
        timeout=100,
    )
    assert done.stdout.startswith(("http://127.0.0.1:", "data:image/")), done.stdout + done.stderr
