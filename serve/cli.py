"""Keep the command line's old module: `python -m serve.cli` runs `scenewright`.

The client package provides the command (scenewright.cli). serve/commands adds subcommands to it through
entry points (pyproject.toml).
"""

from __future__ import annotations

from scenewright.cli import main

__all__ = ["main"]

if __name__ == "__main__":
    main(prog_name="scenewright")
