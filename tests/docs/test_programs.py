"""Every Python program in the documentation: it parses, and uses only names that the client has.

Nothing is run here; test_pages_run.py runs them.
"""

from __future__ import annotations

import ast
import re
from importlib import import_module
from inspect import Parameter, getmembers, signature
from pathlib import Path
from textwrap import dedent

import pytest

from scenewright import Scenewright

REPOSITORY = Path(__file__).parents[2]
PAGES = [
    page
    for page in (
        REPOSITORY / "README.md",
        REPOSITORY / "client/README.md",
        *sorted((REPOSITORY / "docs").rglob("*.md")),
    )
    if "```python" in page.read_text(encoding="utf-8")
]
METHODS = {name: signature(each) for name, each in getmembers(Scenewright, callable) if name[0] != "_"}


def nodes(page: Path) -> list[ast.AST]:
    programs = re.findall(r"^ *```python\n(.*?)^ *```", page.read_text(encoding="utf-8"), re.M | re.S)
    return [node for program in programs for node in ast.walk(ast.parse(dedent(program)))]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(REPOSITORY)))
def test_what_is_imported_is_there(page: Path) -> None:
    for node in nodes(page):
        if isinstance(node, ast.ImportFrom) and str(node.module).split(".")[0] == "scenewright":
            module = import_module(str(node.module))
            for each in node.names:
                assert hasattr(module, each.name), ast.unparse(node)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(REPOSITORY)))
def test_methods_take_these_arguments(page: Path) -> None:
    for node in nodes(page):
        if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)):
            continue
        if (called := METHODS.get(node.func.attr)) is not None:
            given = {each.arg for each in node.keywords if each.arg}
            free = any(each.kind is Parameter.VAR_KEYWORD for each in called.parameters.values())
            assert free or given <= called.parameters.keys(), ast.unparse(node)
