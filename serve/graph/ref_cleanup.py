"""Release the pictures of requests that are over.

Ray 2.60 leaves each object reference that was awaited in a cycle (`_ready` of ray/_raylet.pyx), which only
Python's cycle collector ends. A process that rests does not allocate, so it never runs; the last pictures
then keep their node in use, and the node autoscaler keeps it, GPU and all.
"""

from __future__ import annotations

import gc


def clean_up() -> None:
    gc.collect()
