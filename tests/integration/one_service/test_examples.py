"""Run the examples as a reader would, against the whole service on real Ray; and load its web page."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx
from PIL import Image

from serve.config.service_config import ServiceConfig
from serve.runtime.listen_address import free_port
from serve.state.open_state import open_state
from serve.webhooks.secrets import secret_of
from tests.support.polling import until
from tests.support.running_service import REPOSITORY

DJANGO_ALONE = """
import sys
for name in ("deployments", "fastapi", "loadtest", "ray", "serve", "sqlalchemy", "torch"):
    sys.modules[name] = None
import django; django.setup()
from django.core.management import call_command
call_command("migrate", verbosity=0)
call_command("runserver", sys.argv[1], use_reloader=False)
"""
"""A program that runs a Django project in which no package of the service can be imported."""
PROJECT = REPOSITORY / "examples/story_agent"


def example(url: str, folder: Path, name: str, *arguments: str) -> str:
    environment = {**os.environ, "SCENEWRIGHT_URL": url, "PYTHONPATH": str(REPOSITORY)}
    program = [sys.executable, str(REPOSITORY / "examples" / name), *arguments]
    done = subprocess.run(program, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_story_file_becomes_pictures_and_a_storyboard(url: str, tmp_path: Path) -> None:
    story = str(REPOSITORY / "examples/story.txt")
    reported = example(url, tmp_path, "storyboard.py", story, "-o", "book")
    pictures = sorted((tmp_path / "book").glob("scene-*.jpg"))
    assert len(pictures) == 6
    with Image.open(pictures[5]) as picture:
        assert picture.size == (1024, 512)
    book = (tmp_path / "book/index.html").read_text()
    assert book.count("<img") == 6 and "And in spring they all come home." in book
    assert "book/index.html" in reported
    example(url, tmp_path, "storyboard.py", story, "-o", "book")
    jobs = httpx.get(f"{url}/v1/jobs", trust_env=False).json()["data"]
    assert len(jobs) == 1, "a second run continues the same job"


def test_the_notebook_runs(url: str, tmp_path: Path) -> None:
    reported = example(url, tmp_path, "notebook.py")
    assert "InvalidRequest background.num_inference_steps" in reported
    with Image.open(tmp_path / "scene.jpg") as picture:
        assert picture.size == (1024, 512)


def test_the_page_is_served_with_its_rules(url: str) -> None:
    response = httpx.get(url, trust_env=False)
    assert "<title>Scenewright</title>" in response.text
    assert "script-src 'self'" in response.headers["content-security-policy"]


@contextmanager
def django_project(url: str, secret: str, folder: Path) -> Iterator[httpx.Client]:
    """Serve examples/story_agent; yield a visitor's client."""
    address = f"127.0.0.1:{free_port()}"
    environment = {
        **os.environ,
        "DEFAULT_STEPS": "2",
        "DJANGO_SETTINGS_MODULE": "storybook.settings",
        "SCENEWRIGHT_URL": url,
        "SCENEWRIGHT_WEBHOOK_SECRET": secret,
        "STORY_DATABASE": str(folder / "stories.sqlite3"),
        "STORY_MEDIA_ROOT": str(folder),
        "STORY_PUBLIC_URL": f"http://{address}",
    }
    command = [sys.executable, "-c", DJANGO_ALONE, address]
    with (
        (folder / "django.log").open("w") as log,
        subprocess.Popen(command, cwd=PROJECT, env=environment, stdout=log, stderr=log) as process,
        httpx.Client(base_url=f"http://{address}", timeout=60, trust_env=False) as visitor,
    ):
        try:
            until(lambda: process.poll() is not None or is_up(visitor))
            assert process.poll() is None, (folder / "django.log").read_text()
            yield visitor
        finally:
            process.terminate()


def is_up(visitor: httpx.Client) -> bool:
    with suppress(httpx.TransportError):
        return visitor.get("/books/").status_code == 200
    return False


def test_a_django_project_makes_a_book_and_hears_of_it(
    url: str, configured: ServiceConfig, tmp_path: Path
) -> None:
    secret = secret_of(open_state(configured.state_folder, configured.jobs), "")
    with django_project(url, secret, tmp_path) as visitor:
        token = {"csrfmiddlewaretoken": visitor.cookies["csrftoken"]}
        begun = visitor.post("/books/", data=token)
        assert begun.status_code == 302, begun.text
        book = begun.headers["location"]
        # With a secret the project does not poll the service: it waits for the webhook.
        until(lambda: "Read it" in visitor.get(book).text, 120)
        file = visitor.get(f"{book.rstrip('/')}.pdf")
        assert (file.status_code, file.headers["content-type"]) == (200, "application/pdf"), file.text
        assert file.content.startswith(b"%PDF")
        story = httpx.get(f"{url}/v1/stories", trust_env=False).json()["data"][0]["id"]
        heard = f"{url}/v1/jobs/{story}"
        until(lambda: httpx.get(heard, trust_env=False).json()["webhook"]["status"] == "delivered")
