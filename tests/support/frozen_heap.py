"""Exclude the objects made while tests were collected from later garbage collections.

The modules of all tests and of torch hold over a million objects. A collection that visits them all takes up
to a second, and unloading a model runs one.
"""

from __future__ import annotations

import gc


def pytest_collection_finish() -> None:
    gc.collect()
    gc.freeze()
