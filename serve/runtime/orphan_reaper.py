"""End the processes of a private Ray once the process that started it is gone, for whatever reason.

The reaper is a separate process, `python -I -S orphan_reaper.py FOLDER`. Its standard input is a pipe that
closes when its parent ends. It imports only the standard library, so it starts at once and is small.
"""

from __future__ import annotations

import os
import shutil
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from subprocess import DEVNULL, PIPE, Popen  # nosec B404

POLL_S = 0.25
QUIET_S = 2.0
"""A process that was being started when its parent died appears within this time."""
LONGEST_S = 60.0
TITLE = b"ray::"
FORKED = b"serve.runtime.fork_server"
"""Part of the command line of a fork before Ray gives it a title. Its environment is the fork server's."""
CHECK_S = 1.0
READY_S = 20.0


@contextmanager
def reaped_if_killed(folder: str) -> Iterator[None]:
    """Keep a reaper while the block runs, which ends the Ray in `folder`/ray if this process is killed.

    Without it, Ray's own agents stay for a minute. A reaper that is killed is replaced.
    """
    ready, ended = threading.Event(), threading.Event()
    thread = threading.Thread(
        target=_keep_one, args=(folder, ready, ended), name="orphan-reaper", daemon=True
    )
    thread.start()
    ready.wait(READY_S)
    try:
        yield
    finally:
        ended.set()
        thread.join()


def _keep_one(folder: str, ready: threading.Event, ended: threading.Event) -> None:
    while not ended.is_set():
        try:
            reaper = _started(folder)
        except OSError:  # No room for one more process: Ray will report that.
            ready.set()
            ended.wait(CHECK_S)
            continue
        with reaper:
            ready.set()
            while reaper.poll() is None and not ended.wait(CHECK_S):
                pass
            reaper.kill()


def _started(folder: str) -> Popen[bytes]:
    """Start a reaper, and wait until it ignores signals.

    It has its own session, so that ending this process group spares it. Python closes this end of the pipe in
    all other children, so it reads the end of file only when this process ends.
    """
    reaper = Popen(  # noqa: S603  # nosec B603
        [sys.executable, "-I", "-S", __file__, folder],
        stdin=PIPE,
        stdout=PIPE,
        stderr=DEVNULL,
        cwd="/",
        env={name: value for name, value in os.environ.items() if name != "RAY_TMPDIR"},
        start_new_session=True,
    )
    if reaper.stdout is not None:
        reaper.stdout.read()
    return reaper


def end_what_is_left(folder: str) -> int:
    """End the processes of the Ray whose sessions are in `folder`, and return how many there were.

    `folder` was the `RAY_TMPDIR` of that Ray, and of no other. Linux only: elsewhere it finds none.
    """
    found = 0
    for place in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if int(place.name) != os.getpid() and _is_of(place, folder):
                found += _end(place, folder)
    return found


def _end(place: Path, folder: str) -> bool:
    """Send SIGKILL if the process is still of that Ray, since another may have its number by now."""
    process = os.pidfd_open(int(place.name))
    try:
        if not _is_of(place, folder):
            return False
        signal.pidfd_send_signal(process, signal.SIGKILL)
        return True
    finally:
        os.close(process)


def _is_of(place: Path, folder: str) -> bool:
    """Recognise a process of that Ray by its initial environment, or by its title and log files together.

    Ray's agents overwrite their environment with their titles. A path in the folder in a command line
    proves nothing: a program that reads a log there has one too.
    """
    if f"RAY_TMPDIR={folder}".encode() in (place / "environ").read_bytes().split(b"\0"):
        return True
    command = (place / "cmdline").read_bytes()
    return (command.startswith(TITLE) or FORKED in command) and _writes_to(place, f"{folder}/")


def _writes_to(place: Path, folder: str) -> bool:
    for descriptor in (place / "fd").iterdir():
        with suppress(OSError):
            if descriptor.readlink().as_posix().startswith(folder) and _is_writable(place, descriptor.name):
                return True
    return False


def _is_writable(place: Path, descriptor: str) -> bool:
    flags = (place / "fdinfo" / descriptor).read_text().partition("flags:")[2].split()[0]
    return int(flags, 8) & os.O_ACCMODE != os.O_RDONLY


def main(folder: str) -> None:
    """Wait until the parent ends, then end what is left of the Ray in `folder`/ray, and remove `folder`."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)  # The parent handles these.
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # Signals to the parent that it is ready.
    sys.stdin.buffer.read()
    begun = last = time.monotonic()
    while last - begun < LONGEST_S and time.monotonic() - last < QUIET_S:
        if end_what_is_left(f"{folder}/ray"):
            last = time.monotonic()
        time.sleep(POLL_S)
    shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main(sys.argv[1])
