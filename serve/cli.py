"""Name the command line where it used to be: `python -m serve.cli` is `scenewright`.

The command is the client's (scenewright.cli); serve/commands adds its own by entry points (pyproject.toml).
"""

from __future__ import annotations

from scenewright.cli import main

__all__ = ["main"]

if __name__ == "__main__":
    main(prog_name="scenewright")
