"""`serve.client`, where the client used to be: the same modules under their old names."""

from __future__ import annotations

import pkgutil
from importlib import import_module

import pytest

import scenewright
import serve.client

OF_THE_COMMAND_LINE = {"__main__", "cli", "commands"}
MODULES = {each.name for each in pkgutil.iter_modules(scenewright.__path__)} - OF_THE_COMMAND_LINE
NEW = {"choices"}


def test_every_module_has_its_old_name() -> None:
    assert set(serve.client.MODULES) == MODULES - NEW


@pytest.mark.parametrize("name", serve.client.MODULES)
def test_it_is_the_same_module(name: str) -> None:
    module = import_module(f"scenewright.{name}")
    assert import_module(f"serve.client.{name}") is module
    assert getattr(serve.client, name) is module


def test_it_has_all_that_the_client_has() -> None:
    assert serve.client.__all__ == scenewright.__all__
    for name in scenewright.__all__:
        assert getattr(serve.client, name) is getattr(scenewright, name)
