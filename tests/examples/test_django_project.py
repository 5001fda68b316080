"""Run examples/story_agent as a reader would, against a live service."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from serve.config.service_config import ServiceConfig
from serve.graph.scene import Graph
from serve.ingress import build_http
from tests.support.local_service import (  # noqa: F401
    config,
    graph,
    listening,
    served,
    with_worker,
)

PROJECT = Path(__file__).parents[2] / "examples/story_agent"
VIEWS = """
import django; django.setup()
from django.test import Client
client = Client()
assert client.get("/pages/1.jpg").status_code == 404
assert b"<img" not in client.get("/").content
assert client.post("/").status_code == 302
assert client.get("/").content.count(b"<img") == 3
assert client.get("/pages/3.jpg").getvalue().startswith(b"\\xff\\xd8")
assert client.get("/pages/4.jpg").status_code == 404
"""

BOOKS = """
import json, re, sys, time
import django; django.setup()
from datetime import UTC, datetime
from django.conf import settings
from django.core.management import CommandError, call_command
from django.test import Client
from standardwebhooks import Webhook
from storybook.models import Book

call_command("migrate", verbosity=0)
client, deadline = Client(), time.monotonic() + 60

def page_until(words):
    while words.encode() not in (page := client.get(f"/books/{book.key}/")).content:
        assert page.status_code == 200 and time.monotonic() < deadline, page.content
        time.sleep(0.02)

def begin():
    answer = client.post("/books/")
    assert answer.status_code == 302, answer.content
    return Book.objects.get(key=answer["Location"].split("/")[2])

def ended(key, status="succeeded", story="6f", secret=None, kind="story.ended"):
    data = {"id": story, "status": status, "total": 3, "done": 2, "failed": 1}
    body, now = json.dumps({"type": kind, "data": data}), datetime.now(UTC)
    headers = {
        "webhook-id": "msg_1",
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": Webhook(secret or "whsec_c2NlbmV3cmlnaHQ=").sign("msg_1", now, body),
    }
    address = f"/books/{key}/ended"
    return client.post(address, body, content_type="application/json", headers=headers).status_code
"""
MADE = """
from pathlib import Path
from django.test import override_settings

Book.objects.create(title="The knight"), "as a process leaves it that has died"
while Book.objects.filter(status__in=Book.UNFINISHED).exists():
    assert time.monotonic() < deadline, list(Book.objects.values())
    call_command("collect_books")
    time.sleep(0.02)

book = begin()
page_until("ready")
assert client.get(f"/books/{book.key}.pdf").getvalue().startswith(b"%PDF")
book.refresh_from_db()
assert book.file.name == f"books/{book.key}.pdf"
assert ended(book.key) == 404, "without a secret no webhook is heard"
assert client.get("/books/").content.count(b"ready") == 2

copy = Path(settings.MEDIA_ROOT, "copy.pdf")
call_command("make_book", output=copy)
made = Book.objects.latest("created_at")
assert Path(made.file.path).read_bytes() == copy.read_bytes()

with override_settings(SCENEWRIGHT_WEBHOOK_SECRET="whsec_YQ==", PUBLIC_URL="https://stories.example.com"):
    book = begin()
    page_until("failed: webhook.url cannot be used")
"""
HEARD = """
begun = begin()
assert b"not yet sent" in client.get(f"/books/{begun.key}/").content
assert client.get(f"/books/{begun.key}.pdf").status_code == 404
book = Book.objects.create(title="The knight", story_id="6f", status="painting")
other = Book.objects.create(title="The wizard", story_id="7a", status="painting")
assert ended(book.key, secret="whsec_b3RoZXI=") == 401
assert client.post(f"/books/{book.key}/ended").status_code == 401
assert client.get(f"/books/{book.key}/ended").status_code == 405
assert ended("00000000-0000-0000-0000-000000000000") == 404
assert ended(book.key, story="7a") == ended(book.key, kind="job.ended") == 204
book.refresh_from_db()
assert book.status == "painting"
assert [ended(book.key, "failed"), ended(book.key), ended(book.key, "failed")] == [204] * 3
page_until("failed: 1 of 3 pages could not be painted")
assert [ended(other.key, story="7a")] == [204]
page_until("failed")
other.refresh_from_db()
assert other.status == "painted", "its file is fetched later"
try:
    call_command("make_book")
    raise AssertionError("nobody serves")
except CommandError as error:
    assert "no Scenewright at" in str(error) and "scripts/serve" in str(error)
"""


@pytest.fixture(scope="module")
def url(config: ServiceConfig, graph: Graph) -> Iterator[str]:  # noqa: F811
    with listening(served(build_http(config, graph))) as address:
        yield address


def django(url: str, folder: Path, *arguments: str, **settings: str) -> str:
    environment = {
        **os.environ,
        "SCENEWRIGHT_URL": url,
        "DEFAULT_STEPS": "2",
        "STORY_MEDIA_ROOT": str(folder),
        "STORY_DATABASE": str(folder / "stories.sqlite3"),
        "DJANGO_SETTINGS_MODULE": "storybook.settings",
        **settings,
    }
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=PROJECT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_command_makes_a_story_of_three_pages(url: str, tmp_path: Path) -> None:
    reported = django(url, tmp_path, "manage.py", "illustrate")
    for number in (1, 2, 3):
        assert f"{number} {tmp_path / f'page-{number}.jpg'}" in reported
        with Image.open(tmp_path / f"page-{number}.jpg") as picture:
            assert picture.size == (1024, 512)
    book = (tmp_path / "story.html").read_text()
    assert book.count('src="page-') == 3 and "<form" not in book


def test_the_view_paints_and_shows(url: str, tmp_path: Path) -> None:
    django(url, tmp_path, "-c", VIEWS)


@pytest.fixture(scope="module")
def working(
    config: ServiceConfig,  # noqa: F811
    graph: Graph,  # noqa: F811
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[str]:
    mine = config.model_copy(update={"state_dir": str(tmp_path_factory.mktemp("state"))})
    with with_worker(mine, graph) as address:
        yield address


def test_a_book_is_made_without_waiting_for_it(working: str, tmp_path: Path) -> None:
    """One book is collected, one polled by its page, one made by the command, and one refused."""
    reported = django(working, tmp_path, "-c", BOOKS + MADE)
    assert reported.count(" ready\n") == 2
    assert len(list(tmp_path.glob("books/*.pdf"))) == 3


def test_only_the_services_own_webhooks_are_heard(tmp_path: Path) -> None:
    secret = {"SCENEWRIGHT_WEBHOOK_SECRET": "whsec_c2NlbmV3cmlnaHQ="}
    django("http://127.0.0.1:9", tmp_path, "-c", BOOKS + HEARD, **secret)
