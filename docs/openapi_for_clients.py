"""Print the OpenAPI page from which clients in other languages are made, which fits any service.

`python -m docs.openapi_for_clients > client-js/openapi.json`
"""

from __future__ import annotations

import json
from typing import Any

from serve.config.service_config import ServiceConfig
from serve.graph.scene import Graph
from serve.ingress import build_api


def page() -> str:
    """Return the page, without the model names of one particular service."""
    nothing: Any = None
    api = build_api(ServiceConfig(), Graph(nothing, nothing, nothing)).openapi()
    return json.dumps(_without_models(api), indent=1) + "\n"


def _without_models(node: Any) -> Any:
    if isinstance(node, list):
        return [_without_models(each) for each in node]
    if not isinstance(node, dict):
        return node
    kept = {name: _without_models(part) for name, part in node.items()}
    model = kept.get("properties", {}).get("model")
    if isinstance(model, dict):
        for option in model.get("anyOf", [model]):
            option.pop("enum", None)
    return kept


if __name__ == "__main__":
    print(page(), end="")
