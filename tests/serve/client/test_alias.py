"""The client's old module names, from when it was part of the service, refer to the same modules."""

from __future__ import annotations

import pkgutil
from importlib import import_module
from types import ModuleType

import pytest

import scenewright.story_agent
import serve.client
import serve.story_agent

PAIRS = [(serve.client, scenewright), (serve.story_agent, scenewright.story_agent)]
ADDED = {"__main__", "choices", "cli", "commands", "django_settings", "story_agent"} | {
    "books",
    "cast",
    "fonts",
    "pictures",
    "placeholders",
    "prompts",
    "sessions",
    "call",
    "member_calls",
    "story_calls",
    "story_methods",
    "webhooks",
}
"""The modules that were added after the move, or had another name."""


@pytest.mark.parametrize(("old", "new"), PAIRS)
def test_every_module_has_its_old_name(old: ModuleType, new: ModuleType) -> None:
    assert set(old.MODULES) == {each.name for each in pkgutil.iter_modules(new.__path__)} - ADDED


@pytest.mark.parametrize(("old", "new"), PAIRS)
def test_each_is_the_same_module(old: ModuleType, new: ModuleType) -> None:
    for name in old.MODULES:
        module = import_module(f"{new.__name__}.{name}")
        assert import_module(f"{old.__name__}.{name}") is module
        assert getattr(old, name) is module


@pytest.mark.parametrize(("old", "new"), PAIRS)
def test_it_has_all_that_the_new_one_has(old: ModuleType, new: ModuleType) -> None:
    assert old.__all__ == new.__all__
    for name in new.__all__:
        assert getattr(old, name) is getattr(new, name)


def test_a_module_that_was_renamed_has_its_old_name_too() -> None:
    assert import_module("serve.client.answers") is import_module("scenewright.responses")
