"""Inspect the application that serve.app:build made."""

from __future__ import annotations

from typing import Any

from ray.serve import Application


def deployments_of(application: Application) -> dict[str, Any]:
    """Return every deployment of the graph by name; an application's arguments are applications too."""
    found = {application._bound_deployment.name: application._bound_deployment}
    for argument in application._bound_deployment.init_args:
        for each in argument.values() if isinstance(argument, dict) else (argument,):
            if isinstance(each, Application):
                found |= deployments_of(each)
    return found
