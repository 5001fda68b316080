"""Run blocks of a page as its reader would, and check the files that they should write."""

from __future__ import annotations

import re
import subprocess
from contextlib import redirect_stdout
from dataclasses import dataclass, field
from io import StringIO
from pathlib import Path
from textwrap import indent
from typing import Any

from scenewright import Scenewright
from tests.support.page_blocks import Block

ADDRESS = re.compile(r"(http://)?(localhost|127\.0\.0\.1):8000\b")
FILES = re.compile(r"(?<=\s)(?:-o|--output|--out|--html) (\S+)|\.save\(\"(\S+)\"\)")
BEGINNINGS = {
    ".epub": b"PK",
    ".html": b"<",
    ".jpg": b"\xff\xd8",
    ".json": b"{",
    ".pdf": b"%PDF",
    ".png": b"\x89PNG",
    ".zip": b"PK",
}


@dataclass
class Reader:
    """Follow a page's instructions in `folder`.

    `functions` are shell functions, `replaced` maps words of the page to their text in the test, `names` are
    the globals of its programs. These also have `service`, a client with the address and the key in `keyed`.
    """

    page: str
    folder: Path
    functions: str
    url: str
    keyed: tuple[str, str]
    replaced: dict[str, str]
    environment: dict[str, str]
    names: dict[str, Any]
    printed: list[str] = field(default_factory=list)

    def run(self, block: Block, code: str) -> None:
        """Run a block, and check the files that it should write."""
        into = self.folder.joinpath(*re.findall(r"^cd (\S+)", code, re.MULTILINE))
        made = [into / (first or second) for first, second in FILES.findall(code)]
        for file in made:
            if file.is_file():
                file.unlink()
        code = ADDRESS.sub(self.url, code).replace("curl -sf ", "curl ")
        for words, instead in self.replaced.items():
            code = code.replace(words, instead)
        if block.language == "python":
            self._program(block, code)
        else:
            self._shell(code)
        for file in made:
            assert [*file.iterdir()] if file.is_dir() else file.stat().st_size, file
            assert file.is_dir() or file.read_bytes().startswith(BEGINNINGS[file.suffix]), file

    def _shell(self, code: str) -> None:
        done = subprocess.run(
            ["sh", "-ec", self.functions + code],
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=200,
        )
        assert done.returncode == 0, f"{code}\n{done.stdout}{done.stderr}"
        self.printed.append(done.stdout)

    def _program(self, block: Block, code: str) -> None:
        if re.search(r"^ *return ", code, re.MULTILINE) and not re.search(r"^def ", code, re.MULTILINE):
            code = f"def page():\n{indent(code, '    ')}\nresponse = page()\n"
        with redirect_stdout(StringIO()) as printed, Scenewright(*self.keyed) as client:
            self.names["service"] = client
            exec(compile(code, block.page, "exec"), self.names)  # noqa: S102 (it is ours)
        self.printed.append(printed.getvalue())
