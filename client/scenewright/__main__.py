"""Run the command `scenewright`, or say which packages it needs: `python -m scenewright`."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command line. Exits with a message if the extra `cli` is not installed."""
    try:
        from .cli import main as command
    except ModuleNotFoundError as error:
        if error.name not in ("click", "rich"):
            raise
        sys.exit(f"scenewright: the command line needs {error.name}: pip install 'scenewright-client[cli]'")
    command(prog_name="scenewright")


if __name__ == "__main__":
    main()
