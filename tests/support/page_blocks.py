"""Find every code block in the documentation, and the part of each that can run in a test."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from textwrap import dedent

from tests.support.unrun_commands import NOT_RUN, Reason

REPOSITORY = Path(__file__).parents[2]
SHELL = ("sh", "bash")
PROGRAMS = ("python", "ts")
NO_COMMANDS = ("", "yaml", "json", "http", "nginx", "caddyfile")
OWN_TEST = "docs/api.md"
"""A page whose examples are made from a table; tests/serve/openapi/test_api_page.py runs that table."""
FENCED = re.compile(r"^( *)```([^\n`]*)\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Block:
    """`page` is a path from the top of the checkout; `code` is the text on the page, not indented."""

    page: str
    language: str
    code: str

    def listed(self) -> dict[str, Reason]:
        """Return the NOT_RUN entries of the page that match this block, or some of its commands."""
        return {
            start: why for start, why in NOT_RUN.get(self.page, {}).items() if self._cut(start) != self.code
        }

    def runnable(self) -> str:
        """Return the code without the listed commands; an empty string if nothing is left."""
        code = self.code
        for start in self.listed():
            code = Block(self.page, self.language, code)._cut(start)
        left = [line for line in code.splitlines() if line.strip() and not line.startswith("#")]
        return code if left else ""

    def _cut(self, start: str) -> str:
        """Remove the commands that begin with `start`; a program or a comment removes the whole block."""
        if self.language in PROGRAMS or start.startswith("#"):
            return "" if self.code.startswith(start) else self.code
        return re.sub(rf"^{re.escape(start)}(?:[^\n]*\\\n)*[^\n]*\n", "", self.code, flags=re.MULTILINE)


def pages() -> Iterator[Path]:
    """Yield every page of the documentation."""
    for pattern in ("*.md", "client*/*.md", "docs/**/*.md", "examples/**/*.md", "models/*/*.md"):
        yield from sorted(REPOSITORY.glob(pattern))


def blocks() -> Iterator[Block]:
    """Yield every fenced block of every page, in the order of the page."""
    for page in pages():
        name = str(page.relative_to(REPOSITORY))
        for _, language, code in FENCED.findall(page.read_text(encoding="utf-8")):
            if name != OWN_TEST:
                yield Block(name, language, code if language == "python" else dedent(code))
