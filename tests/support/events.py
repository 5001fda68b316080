"""Read Server-Sent Events as a browser does."""

from __future__ import annotations

import json
from typing import Any

Told = tuple[str, dict[str, Any]]


def parse_events(text: str) -> list[Told]:
    """Return (name, data) of each complete event; skip comments."""
    reported = []
    for block in text.split("\n\n")[:-1]:
        fields = dict(line.split(": ", 1) for line in block.split("\n") if not line.startswith(":"))
        if fields:
            reported.append((fields["event"], json.loads(fields["data"])))
    return reported
