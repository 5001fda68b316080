"""Write figures as HTML tables. All text from outside is escaped here."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any

PERCENTILES = ("p50", "p90", "p95", "p99", "p999", "max")


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Write a table. The first column is left-aligned text, the others are figures."""
    top = "".join(f"<th>{escape(name)}</th>" for name in head)
    body = "".join(f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in row)}</tr>" for row in rows)
    return f'<div class="wide"><table><thead><tr>{top}</tr></thead><tbody>{body}</tbody></table></div>'


def latency_table(groups: Mapping[str, Mapping[str, Any]]) -> str:
    rows = [
        [
            name,
            str(group["requests"]),
            str(group["ok"]),
            str(sum(group["errors"].values())),
            *_row(group["latency_s"]),
        ]
        for name, group in groups.items()
    ]
    return table(["", "requests", "ok", "failed", *PERCENTILES], rows)


def stage_table(stages_s: Mapping[str, Mapping[str, float]]) -> str:
    return table(["stage", *PERCENTILES], ([name, *_row(found)] for name, found in stages_s.items()))


def seconds(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{1e3 * value:.0f} ms" if value < 0.0995 else f"{value:.2f} s"


def _row(found: Mapping[str, float] | None) -> list[str]:
    return [seconds(found[name] if found else None) for name in PERCENTILES]
