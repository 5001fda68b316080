"""Make bodies that are hard to read: many small values, many objects, and real jobs."""

from __future__ import annotations

import base64
import json
import random

MB = 1 << 20
SIZE = 8 * MB - 1_024


def brackets() -> bytes:
    """Return as many values as SIZE bytes can hold."""
    return b'{"scenes":[' + b"[]," * (SIZE // 3 - 8) + b"[]]}"


def numbers() -> bytes:
    return b'{"scenes":[' + b"1.5e3," * (SIZE // 6 - 8) + b"1]}"


def objects() -> bytes:
    """Return objects of a wrong shape, but within every limit on JSON structure."""
    return b'{"scenes":[' + b",".join([b'{"a":"%s"}' % (b"x" * 400)] * (SIZE // 411)) + b"]}"


def job(scenes: int = 1_000) -> bytes:
    """Return a job that is refused only for its last scene, so that all scenes are read and checked."""
    words = "a knight in silver armor under an old oak, " * 40
    each = {"character": words[:1_900], "background": words[:1_900], "seed": 1}
    return json.dumps({"scenes": [each] * (scenes - 1) + [{**each, "seed": "none"}]}).encode()


def picture() -> bytes:
    """Return a request with one long base64 string that does not hold a picture."""
    noise = base64.b64encode(random.Random(1).randbytes(SIZE * 3 // 4 - 1_024)).decode()
    return json.dumps({"scenes": [{"character": {"prompt": "x", "image": {"b64_json": noise}}}]}).encode()


def largest_picture() -> bytes:
    """Return a request with the largest file that is read, which is not a picture."""
    noise = base64.b64encode(random.Random(2).randbytes(4 * MB)).decode()
    return json.dumps({"scenes": [{"character": {"prompt": "x", "image": {"b64_json": noise}}}]}).encode()


BODIES = {
    "brackets": brackets,
    "numbers": numbers,
    "objects": objects,
    "1,000 scenes": job,
    "a long string": picture,
    "the largest picture": largest_picture,
}
