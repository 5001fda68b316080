"""Run a real nginx in front of a service, as deployed: under a path of a shared host, TLS or not."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from serve.runtime.listen_address import free_port
from tests.support.certificates import make_pair
from tests.support.polling import until

PREFIX = "/paint"
NO_NGINX = "no nginx here: nothing was tested behind a reverse proxy (Debian, Ubuntu: apt install nginx)"
UNPACKED = Path(__file__).parents[2] / ".venv/nginx"
"""The folder into which scripts/install unpacks nginx."""
CONFIGURATION = """
daemon off; pid {folder}/pid; error_log {folder}/log; worker_processes 1;{user}
events {{ }}
http {{
    access_log off; client_max_body_size 32m;
    client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
    server {{
        listen 127.0.0.1:{port}{tls}
        location {prefix}/ {{ proxy_http_version 1.1; {headers} proxy_pass {upstream}{strip}; }}
    }}
}}
"""
CERTIFICATE = "ssl_certificate {folder}/certificate.pem; ssl_certificate_key {folder}/key.pem;"


@contextmanager
def nginx(
    upstream: str, folder: Path, strip: bool = True, tls: bool = False, headers: str = ""
) -> Iterator[str]:
    """Yield the address of `upstream` under PREFIX of another port; nginx responds 404 to all other paths.

    With `strip` the service does not see the prefix. `headers` are further nginx directives.
    """
    program = shutil.which("nginx", path=os.pathsep.join([os.environ["PATH"], "/usr/sbin", str(UNPACKED)]))
    if program is None:
        pytest.skip(NO_NGINX)
    port = free_port()
    if tls:
        make_pair(folder)
    configuration = CONFIGURATION.format(
        folder=folder,
        port=port,
        user=" user root;" if os.geteuid() == 0 else "",  # Otherwise its worker may not write to the folder.
        tls=f" ssl; {CERTIFICATE.format(folder=folder)}" if tls else ";",
        prefix=PREFIX,
        headers=headers,
        upstream=upstream,
        strip="/" if strip else "",
    )
    (folder / "nginx.conf").write_text(configuration)
    command = [program, "-e", str(folder / "log"), "-p", str(folder), "-c", str(folder / "nginx.conf")]
    process = subprocess.Popen(command)
    try:
        until(lambda: listens(port, process), timeout_s=30)
        yield f"http{'s' if tls else ''}://127.0.0.1:{port}{PREFIX}"
    finally:
        process.terminate()
        process.wait(30)


def listens(port: int, process: subprocess.Popen[bytes]) -> bool:
    assert process.poll() is None, "nginx ended while it was started"
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
