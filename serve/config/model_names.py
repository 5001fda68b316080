"""Name the models of a layer: in requests, as generators and as deployments.

A generator's name (deployments/messages/layer_job.py) is `character` for the first model of that layer, and
`character:MODEL` for each other one. Its deployment is `Character`, or `Character-MODEL` as Ray can spell it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from deployments.diffusion.model.registry import describe

LONGEST_NAME = 80
"""The most characters in a deployment's name, from which Ray names log files and processes."""
UNSAFE = re.compile(r"[^A-Za-z0-9._-]+")


def names_of(source: str) -> tuple[str, ...]:
    """Return every name by which a request may ask for a configured model."""
    card = describe(source)
    return (source, card.id, *card.aliases)


def deployment_names(generators: Iterable[str]) -> dict[str, str]:
    """Return each generator's deployment name. Names that Ray would spell alike are numbered."""
    names: dict[str, str] = {}
    for generator in generators:
        kind, _, model = generator.partition(":")
        parts = (kind.capitalize(), UNSAFE.sub("-", model).strip("-"))
        name = plain = "-".join(filter(None, parts))[:LONGEST_NAME]
        number = 1
        while name in names.values():
            number += 1
            name = f"{plain}-{number}"
        names[generator] = name
    return names


def settings_path(generator: str) -> str:
    """Return the place of a generator's settings in the configuration, for messages."""
    kind, _, model = generator.partition(":")
    return f"{kind}.models[{model}]" if model else kind
