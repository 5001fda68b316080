"""A worker starts even if its fork or the server dies."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from serve.runtime.fork_server import worker_stub
from tests.serve.runtime.fork_server.conftest import Serving
from tests.support.polling import until

Stub = Callable[..., "subprocess.Popen[bytes]"]
IN_A_FORK = "'colorsys' in sys.modules and "
SAYS_ITS_NUMBER = f"{IN_A_FORK} open('fork', 'w').write(str(os.getpid()))\n"


def is_no_fork(worker: subprocess.Popen[bytes]) -> None:
    """Check that the program ran once, in the process that Ray's node started."""
    output, _ = worker.communicate(timeout=30)
    found = json.loads(output)
    assert (worker.returncode, found["number"], found["imported"]) == (0, worker.pid, False)


def has_ended(number: int) -> bool:
    try:
        os.kill(number, 0)
    except ProcessLookupError:
        return True
    return False


def test_without_a_server_the_stub_runs_the_program_itself(stub: Stub) -> None:
    is_no_fork(stub())


@pytest.mark.parametrize("end", ["os.kill(os.getpid(), 9)", "os._exit(0)", "1 / 0"])
def test_a_fork_that_dies_before_the_node_knows_it_has_a_successor(
    serving: Serving, stub: Stub, end: str
) -> None:
    with serving("colorsys"):
        is_no_fork(stub(BEFORE=f"{IN_A_FORK} {end}"))


def test_a_server_that_is_killed_leaves_its_waiting_worker_to_the_program(
    serving: Serving, stub: Stub
) -> None:
    with serving("colorsys") as process:
        process.send_signal(signal.SIGSTOP)
        worker = stub()
        process.kill()
        is_no_fork(worker)
        is_no_fork(stub())


def test_a_fork_that_hangs_is_ended_before_another_starts(
    folder: Path, serving: Serving, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker_stub, "CONNECTED_WITHIN_S", 1.0)
    monkeypatch.setenv("BEFORE", f"{SAYS_ITS_NUMBER}{IN_A_FORK} __import__('time').sleep(600)")
    with serving("colorsys"):
        assert not worker_stub.forked_for(str(folder / "socket"), str(folder / "program.py"))
        until(lambda: has_ended(int((folder / "fork").read_text())))


def test_a_fork_whose_stub_has_given_up_does_not_start(
    folder: Path, serving: Serving, stub: Stub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker_stub, "FORKED_WITHIN_S", 0.1)
    with serving("colorsys") as process:
        process.send_signal(signal.SIGSTOP)
        with monkeypatch.context() as context:
            context.setenv("BEFORE", SAYS_ITS_NUMBER)
            assert not worker_stub.forked_for(str(folder / "socket"), str(folder / "program.py"))
        process.send_signal(signal.SIGCONT)
        output, _ = stub().communicate(timeout=30)
        assert json.loads(output)["parent"] == process.pid
    assert not (folder / "fork").exists()
