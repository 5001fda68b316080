"""Run commands in a pseudo-terminal, and draw its screen as a picture."""

from __future__ import annotations

import fcntl
import io
import os
import pty
import re
import struct
import subprocess
import termios
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.text import Text

COLUMNS, LINES = 80, 24
REDRAWN = re.compile(r"(?:\r?\x1b\[2K|\r?\x1b\[1A\x1b\[2K)+")
"""The sequence with which Rich clears what it is about to redraw: line by line, upwards."""
CURSOR = re.compile(r"\x1b\[\?25[lh]")
WEB_FONT = re.compile(r"@font-face \{.*?\}", re.DOTALL)
"""The font is left out, since it would be fetched from another server."""


@dataclass(frozen=True)
class Session:
    """A command's output: `screens` are the states that were redrawn, `end` the last. Both have colours."""

    screens: tuple[str, ...]
    end: str

    def first(self, words: str) -> str:
        """Return the first screen that matches the expression `words`. Raises LookupError if none does."""
        for screen in self.screens:
            if re.search(words, plain(screen)):
                return screen
        raise LookupError(f"no screen showed {words!r}: was this painted before?")


def run(command: Sequence[str], folder: Path, environment: Mapping[str, str]) -> Session:
    """Run a program until it ends. Raises CalledProcessError with its output if it fails."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", LINES, COLUMNS, 0, 0))
    settings = {**environment, "TERM": "xterm-256color"}
    program = subprocess.Popen(command, cwd=folder, env=settings, stdin=theirs, stdout=theirs, stderr=theirs)  # noqa: S603
    os.close(theirs)
    written = bytearray()
    while chunk := _read(ours):
        written += chunk
    os.close(ours)
    text = CURSOR.sub("", written.decode()).replace("\r\n", "\n")
    if program.wait():
        raise subprocess.CalledProcessError(program.returncode, list(command), text)
    *screens, end = REDRAWN.split(text)
    return Session(tuple(filter(str.strip, screens)), end)


def plain(screen: str) -> str:
    return Text.from_ansi(screen).plain


def as_svg(title: str, *screens: str) -> str:
    """Draw the screens one below the other, in a window."""
    console = Console(record=True, width=COLUMNS, file=io.StringIO())
    for screen in screens:
        for line in Text.from_ansi(screen.strip("\n")).split("\n", allow_blank=True):
            for at in range(0, max(1, len(line)), COLUMNS):  # Like a terminal, wrap inside a word.
                console.print(line[at : at + COLUMNS])
    return WEB_FONT.sub("", console.export_svg(title=title))


def _read(terminal: int) -> bytes:
    """Read the available output: nothing at the end, which Linux reports as an error."""
    try:
        return os.read(terminal, 1 << 16)
    except OSError:
        return b""
