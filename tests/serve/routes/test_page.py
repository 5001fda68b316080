"""GET /: the files that are sent, and the security policy for the browser."""

from __future__ import annotations

import re

import httpx
import pytest

from serve.auth.middleware import STATIC_FOLDER as FOLDER

FILES = sorted(file.name for file in FOLDER.iterdir())


async def test_the_page_may_load_nothing_from_elsewhere_and_nothing_inline(client: httpx.AsyncClient) -> None:
    response = await client.get("/")
    assert response.status_code == 200
    assert response.headers["content-type"] == "text/html; charset=utf-8"
    policy = dict(rule.split(" ", 1) for rule in response.headers["content-security-policy"].split("; "))
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == policy["style-src"] == policy["connect-src"] == "'self'"
    assert "unsafe" not in response.headers["content-security-policy"]
    assert not re.search(r"<script(?![^>]* src=)|<style| style=| on[a-z]+=", response.text)


@pytest.mark.parametrize("name", FILES)
async def test_a_file_comes_once(client: httpx.AsyncClient, name: str) -> None:
    response = await client.get(f"/static/{name}")
    assert response.status_code == 200
    assert response.content == (FOLDER / name).read_bytes()
    assert "default-src 'none'" in response.headers["content-security-policy"]
    for known in (response.headers["etag"], f'"x", W/{response.headers["etag"]}'):
        again = await client.get(f"/static/{name}", headers={"If-None-Match": known})
        assert (again.status_code, again.content) == (304, b"")
    other = await client.get(f"/static/{name}", headers={"If-None-Match": '"x"'})
    assert other.status_code == 200


@pytest.mark.parametrize("name", FILES)
def test_no_file_names_another_host(name: str) -> None:
    text = (FOLDER / name).read_text().replace("http://www.w3.org/2000/svg", "")
    assert "http://" not in text and "https://" not in text


@pytest.mark.parametrize("name", FILES)
def test_no_address_begins_at_the_root_of_the_host(name: str) -> None:
    """The page works under any path that a reverse proxy gives it."""
    text = re.sub(r"^\s*//.*$", "", (FOLDER / name).read_text(), flags=re.MULTILINE)
    assert not re.findall(r"""["'`(=]/[a-z][^"'`)\s]*""", text)
    assert "location.origin" not in text


def test_it_is_light() -> None:
    assert sum(file.stat().st_size for file in FOLDER.iterdir()) < 210_000


@pytest.mark.parametrize("path", ["/static/", "/static/page.py", "/static/..%2fapp.py", "/static/x/y.js"])
async def test_nothing_else_is_served(client: httpx.AsyncClient, path: str) -> None:
    response = await client.get(path)
    assert response.status_code == 404
    assert response.json()["error"]["code"] == "not_found"


async def test_the_page_is_no_part_of_the_described_api(client: httpx.AsyncClient) -> None:
    paths = (await client.get("/openapi.json")).json()["paths"]
    assert not [path for path in paths if not path.startswith(("/v1/", "/healthz", "/readyz"))]
