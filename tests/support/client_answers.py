"""Responses of a service, for clients that are tested without one."""

from __future__ import annotations

import base64
from io import BytesIO

from PIL import Image


def a_png(colour: str = "red") -> bytes:
    data = BytesIO()
    Image.new("RGB", (8, 4), colour).save(data, "PNG")
    return data.getvalue()


def picture(data: bytes) -> dict[str, object]:
    return {"format": "png", "width": 8, "height": 4, "b64_json": base64.b64encode(data).decode()}


RESPONSE = {
    "id": "abc",
    "created": 1,
    "image": picture(a_png()),
    "seeds": {"character": 42, "background": 123},
    "merge": {"mode": "cutout", "confidence": 0.97, "box": [1, 2, 3, 4]},
    "degraded": ["character: reduced"],
    "models": {"character": "a", "background": "b"},
    "timings_ms": {"merge": 3.0},
}
