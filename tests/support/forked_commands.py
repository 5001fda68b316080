"""Run the command `scenewright` from shells any number of times, importing its modules only once.

Each command is a separate process, forked from one that has imported all its modules. It has the shell's
folder, environment and open files, as if the shell had started it.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from traceback import print_exc

from tests.support.polling import until

IMPORTED = """scenewright.cli scenewright.commands.scene scenewright.commands.story serve.auth.key_store
serve.commands.keys serve.commands.merge serve.commands.plan serve.commands.profile serve.commands.serve
serve.commands.webhooks serve.planning.report serve.state.open_state serve.webhooks.outbox
alembic.command
anyio httpcore yaml sqlalchemy.dialects.sqlite deployments.diffusion.engine.engine"""
REPOSITORY = Path(__file__).parents[2]
STARTER = """
import array, json, os, socket, sys
with socket.socket(socket.AF_UNIX) as server:
    server.connect(sys.argv[1])
    asked = json.dumps([sys.argv[2:], os.getcwd(), dict(os.environ)]).encode()
    files = array.array("i", [0, 1, 2]).tobytes()
    server.sendmsg([len(asked).to_bytes(4, "big")], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, files)])
    server.sendall(asked)
    sys.exit(server.recv(1)[0])
"""


@contextmanager
def forked_commands(folder: Path) -> Iterator[str]:
    """Yield a shell function named `scenewright`. Its socket and its program are in `folder`."""
    address, program = folder / "commands", folder / "scenewright.py"
    program.write_text(STARTER)
    serving = subprocess.Popen([sys.executable, "-m", __name__, str(address)], cwd=REPOSITORY)
    try:
        assert until(lambda: address.exists() or serving.poll() is not None, 60)
        assert serving.poll() is None
        yield f'scenewright() {{ {sys.executable} -S -E {program} {address} "$@"; }}\n'
    finally:
        serving.terminate()
        serving.wait(30)


def serve(address: str) -> None:
    """Fork a process for each connection, until this process is terminated."""
    for name in IMPORTED.split():
        import_module(name)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(f"{address}.unready")
        listener.listen()
        Path(f"{address}.unready").rename(address)
        while True:
            connection, _ = listener.accept()
            with connection:
                size, files, *_ = socket.recv_fds(connection, 4, 3)
                asked = connection.recv(int.from_bytes(size, "big"), socket.MSG_WAITALL)
                child = os.fork() or run(files, *json.loads(asked))
                for file in files:
                    os.close(file)
                connection.sendall(bytes([os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) & 0xFF]))


def run(files: list[int], words: list[str], folder: str, environment: dict[str, str]) -> int:
    """Run the command in the process that was forked for it; this never returns."""
    from scenewright.__main__ import main

    status = 1
    try:
        for place, file in enumerate(files):
            os.dup2(file, place)
        sys.stdin, sys.stdout = os.fdopen(0, closefd=False), os.fdopen(1, "w", closefd=False)
        sys.stderr = os.fdopen(2, "w", 1, closefd=False)
        os.chdir(folder)
        os.environ.clear()
        os.environ.update(environment)
        sys.argv = ["scenewright", *words]
        main()
        status = 0
    except SystemExit as ended:
        status = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
        if isinstance(ended.code, str):
            print(ended.code, file=sys.stderr)
    except BaseException:
        print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


if __name__ == "__main__":
    serve(sys.argv[1])
