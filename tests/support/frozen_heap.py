"""Keep what was collected out of every later look of Python's garbage collector.

The modules of all tests and of torch are over a million objects. A collector that looks at each takes up to a
second, and unloading a model asks for that.
"""

from __future__ import annotations

import gc


def pytest_collection_finish() -> None:
    gc.collect()
    gc.freeze()
