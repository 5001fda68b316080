"""Check that no module, class, function or metric uses a name that was replaced.

Names use the terms of the field: "admission control" and not "door", "report" and not "tell". A name is
compared as a whole or word by word, so that `storyboard` does not match `board`. Docstrings begin with
what a thing does.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from itertools import pairwise
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[1]
PRODUCT = ("serve", "deployments", "client", "loadtest", "bench", "models", "monitoring", "docs")
NAMES = {
    "answers": "responses",
    "ask": "request, send, probe or call",
    "asks": "requests",
    "attempts": "retry_policy",
    "board": "job_table",
    "collecting": "ref_cleanup",
    "desk": "job_service",
    "door": "admission_control",
    "fair_order": "fair_queue",
    "followed": "stream_reader",
    "health": "watchdog",
    "ladder": "cutout_fallback",
    "let_in": "admit",
    "likeness": "cache_key",
    "memory": "device_placement",
    "observed_edge": "http_metrics",
    "observed_generators": "generators",
    "pace": "cost_model",
    "pools": "replica_registry",
    "readying": "wait_ready",
    "room": "row_limits",
    "routing": "request_router",
    "spans": "scene_spans",
    "stand_in": "object ref, or fallback picture",
    "standing": "routing_stats",
    "stopping": "signals",
    "take": "run_step",
    "tell": "report, or the callback on_event",
    "tenants": "middleware",
    "told": "reported",
    "traced_edge": "http_tracing",
    "turns": "step_loop",
    "warmth": "cached_layers",
    "work": "work_item",
    "workload": "load_report",
}
"""Replaced names of modules, classes and functions, each with the field's term for it."""
WORDS_LIST = """
anew ask asked asker asking asks desk everybody let_in likeness likenesses somebody someone stand_in
stand_ins standing standings tell telling tells told warmth whoever whomever
"""
WORDS = frozenset(WORDS_LIST.split())
"""Words that no name may contain."""
DRAWN = {"room", "door", "standing"}
"""Names of things that the training pictures show."""
OPENINGS_LIST = """
Above After Among As At Because Before Behind Below Beneath Beside Besides Between Beyond But By
During For From How If In Inside Into Nobody Of On Onto Out Outside Over Per Since So Somebody Tells
Than That Through To Toward Under Until What Whatever When Whenever Where Wherever Whether Which
Whichever While Who Whoever Whom Whose Why With Within Without
"""
OPENINGS = frozenset(OPENINGS_LIST.split())
"""Bare prepositions, relatives and conjunctions: no docstring may begin with one."""
METRIC = re.compile(r"\bscenewright_[a-z0-9_]+")


def as_words(name: str) -> str:
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower().strip("_")


def old_words(name: str) -> list[str]:
    """Return the parts of a name that were replaced: the whole name, or single words."""
    words = as_words(name)
    bare = words.removeprefix("test_")
    return [*({bare} & NAMES.keys()), *(word for word in WORDS if f"_{word}_" in f"_{words}_")]


def python_files(*folders: str) -> Iterator[Path]:
    for folder in folders:
        for file in sorted((REPOSITORY / folder).rglob("*.py")):
            if not {"build", "__pycache__", ".venv"} & set(file.parts):
                yield file


@cache
def parsed(file: Path) -> ast.Module:
    return ast.parse(file.read_text(encoding="utf-8"))


def definitions(file: Path) -> Iterator[tuple[int, str]]:
    yield 1, file.stem if file.stem != "__init__" else file.parent.name
    for node in ast.walk(parsed(file)):
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            yield node.lineno, node.name


def where(file: Path, line: int) -> str:
    return f"{file.relative_to(REPOSITORY)}:{line}"


@pytest.mark.parametrize("folder", [*PRODUCT, "examples", "tests"])
def test_no_name_is_an_old_one(folder: str) -> None:
    found = [
        f"{where(file, line)}: {name} ({', '.join(old)})"
        for file in python_files(folder)
        for line, name in definitions(file)
        if (old := [word for word in old_words(name) if folder != "models" or word not in DRAWN])
    ]
    assert found == []


def test_no_metric_has_an_old_name() -> None:
    files = [
        *python_files("serve", "deployments", "monitoring"),
        *(REPOSITORY / "monitoring").glob("*.*"),
        *(REPOSITORY / "docs").glob("*.md"),
    ]
    names = {name for file in files for name in METRIC.findall(file.read_text(encoding="utf-8"))}
    assert "scenewright_requests" in {name.removesuffix("_total") for name in names}
    assert [name for name in sorted(names) if old_words(name.removeprefix("scenewright_"))] == []


@pytest.mark.parametrize(
    ("name", "old"),
    [
        ("tell", True),
        ("_tell_places", True),
        ("StandIn", True),
        ("asksForKeys", True),
        ("Board", True),
        ("test_what_is_told", True),
        ("storyboard", False),
        ("task_of", False),
        ("LayerTask", False),
        ("understanding", False),
        ("WorkQueue", False),
    ],
)
def test_names_are_compared_word_by_word(name: str, old: bool) -> None:
    assert bool(old_words(name)) is old


def docstrings(file: Path) -> Iterator[tuple[int, str]]:
    for node in ast.walk(parsed(file)):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            text = ast.get_docstring(node)
            if text is not None:
                yield node.body[0].lineno, text


@pytest.mark.parametrize("folder", [*PRODUCT, "examples", "tests"])
def test_docstrings_begin_with_what_a_thing_does(folder: str) -> None:
    """Reject the openings that are not verbs; ruff's D401 checks the verbs."""
    found = [
        f"{where(file, line)}: {text.splitlines()[0] if text else '(empty)'}"
        for file in python_files(folder)
        for line, text in docstrings(file)
        if not text or text.split()[0].strip(",.:;") in OPENINGS
    ]
    assert found == []


RELATIVE = re.compile(r'^\s*(?:"""|# )(?:Of|What|Who|Whether|Tells)\b')


@pytest.mark.parametrize("folder", [*PRODUCT, "examples", "tests"])
def test_no_note_begins_with_a_relative(folder: str) -> None:
    """Reject notes under a value and comments that begin with "Of ..." or "What ..."."""
    found = []
    for file in python_files(folder):
        lines = ["", *file.read_text(encoding="utf-8").splitlines()]
        for number, (before, line) in enumerate(pairwise(lines), 1):
            continues = line.lstrip().startswith("#") and before.lstrip().startswith("#")
            if RELATIVE.match(line) and not continues:
                found.append(f"{where(file, number)}: {line.strip()}")
    assert found == []
