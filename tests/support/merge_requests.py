"""Parts of a request to /v1/merges."""

from __future__ import annotations

from io import BytesIO
from typing import Any

import httpx
import numpy as np
from PIL import Image

from tests.support.known_alpha.sets import samples

FIGURE = next(samples("plain", 1, held_out=True)).pixels


PLACE = np.random.default_rng(1).integers(40, 200, (96, 192, 3), np.uint8)


SMALL = {"merge": {"width": 256, "height": 128}}


def file(pixels: Any, kind: str = "PNG", **options: Any) -> bytes:
    data = BytesIO()
    Image.fromarray(pixels).save(data, kind, **options)
    return data.getvalue()


CHARACTER, BACKGROUND = file(FIGURE), file(PLACE)


JSON = {"Accept": "application/json"}


def error_of(response: httpx.Response) -> tuple[int, str, str | None]:
    error = response.json()["error"]
    assert error["request_id"] == response.headers["x-request-id"]
    return response.status_code, error["code"], error["param"]
