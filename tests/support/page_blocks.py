"""Find every block of code in the documentation, and what of each can run in a test."""

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
"""Its examples are made from a table, and tests/serve/openapi/test_api_page.py runs that."""
FENCED = re.compile(r"^( *)```([^\n`]*)\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Block:
    """`page` is a path from the top of the checkout; `code` is as the page has it, not indented."""

    page: str
    language: str
    code: str

    def listed(self) -> dict[str, Reason]:
        """Return the entries of the page's list that name this block, or some of its commands."""
        return {
            start: why for start, why in NOT_RUN.get(self.page, {}).items() if self._cut(start) != self.code
        }

    def runnable(self) -> str:
        """Return the code without the commands that are listed; an empty text if nothing is left."""
        code = self.code
        for start in self.listed():
            code = Block(self.page, self.language, code)._cut(start)
        left = [line for line in code.splitlines() if line.strip() and not line.startswith("#")]
        return code if left else ""

    def _cut(self, start: str) -> str:
        """Take the commands out that begin with `start`: the whole block, if its first line is a comment."""
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
