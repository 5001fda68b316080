"""Build the TypeScript client from the types of this checkout's own OpenAPI."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from docs import openapi_for_clients
from tests.support.local_service import REPOSITORY

FOLDER = REPOSITORY / "client-js"
NO_NODE = "no node and npm here: the TypeScript client was NOT built (Debian, Ubuntu: apt install nodejs npm)"
NO_TOOLS = "npm could not install its build tools: the TypeScript client was NOT built (run scripts/install)"
TIMEOUT_S = 240


def npm(*arguments: str) -> str:
    """Run npm in the client's folder, and return its output."""
    done = _run(*arguments)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def _run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["npm", *arguments], cwd=FOLDER, capture_output=True, text=True, timeout=TIMEOUT_S, env=_environment()
    )


def built() -> Path:
    """Return the folder of the built client. Test processes that run in parallel build it once."""
    if not (shutil.which("node") and shutil.which("npm")):
        pytest.skip(NO_NODE)
    page = openapi_for_clients.page()
    sources = [*sorted(FOLDER.glob("src/*.ts")), FOLDER / "package-lock.json", FOLDER / "tsconfig.json"]
    wanted = hashlib.sha256(page.encode())
    for source in sources:
        if source.name != "api.ts":
            wanted.update(source.read_bytes())
    stamp = FOLDER / "dist/.built"
    with (FOLDER / "package.json").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not stamp.exists() or stamp.read_text() != wanted.hexdigest():
            if not (FOLDER / "node_modules/.package-lock.json").exists():
                _install()
            (FOLDER / "openapi.json").write_text(page, encoding="utf-8")
            npm("run", "--silent", "types")
            npm("run", "--silent", "build")
            stamp.write_text(wanted.hexdigest())
    return FOLDER / "dist"


def _install() -> None:
    """Install the build tools, as scripts/install does. Skips the test if npm has no network."""
    if _run("ci", "--no-progress").returncode != 0:
        pytest.skip(NO_TOOLS)


def _environment() -> dict[str, str]:
    return {**os.environ, "NO_PROXY": "127.0.0.1,localhost", "NO_COLOR": "1"}
