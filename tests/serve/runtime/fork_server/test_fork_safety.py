"""Actions that a process must not have done before it forks workers."""

from __future__ import annotations

import subprocess
import sys

import pytest

BEGIN = """
from serve.runtime.fork_server.fork_safety import can_fork, draw_class_numbers_elsewhere
def check(safe): assert can_fork() is safe
"""
CLASSES = """
draw_class_numbers_elsewhere()
import ray
@ray.remote
class Actor: pass
check(True)
ray.ActorClassID.from_random()
check(False)
"""
THREAD = """
import threading
ended = threading.Event()
thread = threading.Thread(target=ended.wait)
thread.start()
check(False)
ended.set()
thread.join()
check(True)
"""


@pytest.mark.parametrize("code", [CLASSES, THREAD], ids=["numbers drawn", "a second thread"])
def test_forks_are_whole_and_unlike_each_other(code: str) -> None:
    subprocess.run([sys.executable, "-c", BEGIN + code], check=True)
