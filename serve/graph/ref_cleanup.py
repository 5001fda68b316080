"""Release the pictures of requests that are over.

Ray 2.60 leaves each awaited object reference in a reference cycle (`_ready` of ray/_raylet.pyx), which only
Python's cycle collector frees. An idle process does not allocate, so the collector never runs. The last
pictures then keep their node in use, and the node autoscaler does not remove it and its GPU.
"""

from __future__ import annotations

import gc


def clean_up() -> None:
    gc.collect()
