"""Read PromQL with the parser of a Prometheus implementation."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import promql_parser


def selectors(expression: str) -> Iterator[Any]:
    """Yield every series selector in an expression. Raises ValueError if it is not PromQL."""
    # Grafana replaces this variable with a duration.
    yield from _selectors(promql_parser.parse(expression.replace("$__rate_interval", "1m")))


def _selectors(node: Any) -> Iterator[Any]:
    if isinstance(node, promql_parser.VectorSelector):
        yield node
    elif isinstance(node, promql_parser.MatrixSelector):
        yield node.vector_selector
    else:
        for name in ("lhs", "rhs", "expr", "args", "param"):
            inner = getattr(node, name, None)
            for child in inner if isinstance(inner, list) else [inner]:
                if child is not None and not isinstance(child, str | float):
                    yield from _selectors(child)
