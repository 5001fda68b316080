"""`scenewright story`, against a service that paints."""

from __future__ import annotations

import json
import os
import zipfile
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

from scenewright import Scenewright
from scenewright.cli import main
from scenewright.commands.story_file import read_story_file
from tests.support.story_requests import story

REPOSITORY = Path(__file__).parents[3]


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in os.environ:
        if name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)


def run(url: str, *arguments: object) -> Result:
    return CliRunner().invoke(main, ["story", *map(str, arguments), "--url", url])


def test_a_book_is_made_and_changed(url_with_worker: str, tmp_path: Path) -> None:
    file = tmp_path / "story.json"
    file.write_text(json.dumps(story(2)))
    book, archive = tmp_path / "book.pdf", tmp_path / "book.zip"
    made = run(url_with_worker, "make", file, "-o", book, "-o", archive)
    assert made.exit_code == 0, made.output
    assert book.read_bytes().startswith(b"%PDF")
    assert made.stdout.split() == [str(book), str(archive)]
    assert "succeeded: 2 of 2 pages" in made.stderr
    story_id = made.stderr.split()[1]
    assert f"{story_id}  succeeded: 2 of 2 pages  Mira" in run(url_with_worker, "list").stdout
    shown = run(url_with_worker, "show", story_id)
    assert shown.exit_code == 0 and "page 1  succeeded" in shown.stdout
    with Scenewright(url_with_worker) as service:
        before = [service.stories.picture(story_id, index)[0] for index in range(2)]
        repainted = run(url_with_worker, "repaint", story_id, 1, "--text", "Another.", "--seed", 3)
        assert repainted.exit_code == 0, repainted.output
        after = [service.stories.picture(story_id, index)[0] for index in range(2)]
        assert after[0] == before[0] and after[1] != before[1]
        assert service.stories.get(story_id)["pages"][1]["text"] == "Another."
    assert run(url_with_worker, "fetch", story_id, "-o", tmp_path / "pages").exit_code == 0
    assert [each.name for each in sorted((tmp_path / "pages").iterdir())] == ["page-000.jpg", "page-001.jpg"]
    again = run(url_with_worker, "book", story_id, "-o", tmp_path / "book.epub")
    assert again.exit_code == 0, again.output
    with zipfile.ZipFile(archive) as opened:
        opened.extractall(tmp_path / "again")
    once_more = run(url_with_worker, "make", tmp_path / "again/story.json", "-o", tmp_path / "2.pdf")
    assert once_more.exit_code == 0, once_more.output
    assert run(url_with_worker, "cancel", story_id).stdout == "succeeded\n"
    assert run(url_with_worker, "remove", story_id).stdout == "removed\n"
    gone = run(url_with_worker, "show", story_id)
    assert gone.exit_code == 1 and "there is no such story" in gone.stderr


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("title: A\ntitle: B\n", "line 2: 'title' is given twice"),
        ("a: [1\n", "line 2"),
        ("- a\n", "must have fields"),
        ("a: &x [1]\nb: *x\n", "line 2: aliases are not supported"),
        ('{"title": "A", "title": "B"}', "'title' is given twice"),
        ('{"title": NaN}', "JSON has no NaN"),
        ("{", "is not JSON"),
        ("", "must have fields"),
    ],
)
def test_a_wrong_file_is_named_before_anything_is_sent(tmp_path: Path, text: str, said: str) -> None:
    file = tmp_path / "story.yaml"
    file.write_text(text)
    result = run("http://127.0.0.1:9", "make", file, "-o", tmp_path / "book.pdf")
    assert result.exit_code == 2 and said in result.stderr, result.output


def test_a_wrong_book_is_refused_before_anything_is_sent(tmp_path: Path) -> None:
    for book, said in (
        ("book.doc", "must end in one of .pdf, .epub, .zip"),
        ("no/book.pdf", "there is no folder"),
    ):
        result = run("http://127.0.0.1:9", "make", tmp_path / "s.yaml", "-o", tmp_path / book)
        assert result.exit_code == 2 and said in " ".join(result.stderr.split()), result.output


def test_a_refusal_names_the_field(url_with_worker: str, tmp_path: Path) -> None:
    file = tmp_path / "story.json"
    file.write_text(json.dumps(story(1) | {"pages": []}))
    result = run(url_with_worker, "make", file, "-o", tmp_path / "book.pdf")
    assert result.exit_code == 1 and "[pages]" in result.stderr
    assert not (tmp_path / "book.pdf").exists()


def test_the_example_is_a_story_whose_words_the_models_know() -> None:
    request = read_story_file(REPOSITORY / "examples/story.yaml")
    assert len(request["pages"]) == 8
    known = {
        layer: set(
            json.loads((REPOSITORY / f"models/storybook-{layer}/known_words.json").read_text())["words"]
        )
        for layer in ("character", "background")
    }
    heroes = [{figure["cast"] for figure in each["characters"]} for each in request["pages"]]
    assert all("mira" in each for each in heroes)
    words = [member["description"] for member in request["cast"].values()]
    words += [figure["prompt"] for each in request["pages"] for figure in each["characters"]]
    assert {word for each in words for word in each.split()} <= known["character"]
    places = {word for each in request["pages"] for word in each["background"].split()}
    assert places <= known["background"]


def test_bad_parameters_have_the_files_name(tmp_path: Path) -> None:
    with pytest.raises(click.BadParameter, match=r"nothing\.yaml"):
        read_story_file(tmp_path / "nothing.yaml")
