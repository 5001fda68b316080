"""A certificate that no client would accept is refused before Ray starts, in one sentence naming the key."""

from __future__ import annotations

import ssl
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest
from ray.serve.schema import HTTPOptionsSchema

from serve.runtime import tls
from serve.runtime.start_errors import CannotStart
from tests.support.certificates import Pair, make_pair


def options(pair: Pair, **more: Any) -> HTTPOptionsSchema:
    return HTTPOptionsSchema(ssl_keyfile=str(pair.key), ssl_certfile=str(pair.certificate), **more)


def refusal(http: HTTPOptionsSchema) -> str:
    with pytest.raises(CannotStart) as caught:
        tls.check(http)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_self_signed_certificate_is_accepted(tmp_path: Path) -> None:
    tls.check(options(make_pair(tmp_path)))
    tls.check(HTTPOptionsSchema())


def test_an_encrypted_key_needs_its_password(tmp_path: Path) -> None:
    pair = make_pair(tmp_path, password="open")
    tls.check(options(pair, ssl_keyfile_password="open"))
    for wrong in ({}, {"ssl_keyfile_password": "shut"}):
        message = refusal(options(pair, **wrong))
        assert message.startswith("http_options.ssl_keyfile: this key is encrypted, and ssl_keyfile_password")
        assert "shut" not in message


def test_a_key_of_another_certificate_is_refused(tmp_path: Path) -> None:
    one, other = make_pair(tmp_path / "one"), make_pair(tmp_path / "other")
    message = refusal(options(Pair(one.key, other.certificate)))
    assert message == "http_options.ssl_keyfile: this key does not belong to the certificate in ssl_certfile"


@pytest.mark.parametrize("key", ["ssl_keyfile", "ssl_certfile"])
def test_a_missing_file_is_named(tmp_path: Path, key: str) -> None:
    http = options(make_pair(tmp_path)).model_copy(update={key: str(tmp_path / "gone.pem")})
    assert (
        refusal(http) == f"http_options.{key}: {tmp_path}/gone.pem cannot be read: No such file or directory"
    )


@pytest.mark.parametrize("key", ["ssl_keyfile", "ssl_certfile"])
def test_what_is_no_pem_is_refused(tmp_path: Path, key: str) -> None:
    odd = tmp_path / "odd.pem"
    odd.write_text("odd")
    http = options(make_pair(tmp_path)).model_copy(update={key: str(odd)})
    assert "is not a PEM file with a key or certificate" in refusal(http)


def test_an_expired_certificate_is_refused(tmp_path: Path) -> None:
    pair = make_pair(tmp_path, days=-1)
    message = refusal(options(pair))
    assert message.startswith(f"http_options.ssl_certfile: no client will accept {pair.certificate}: ")
    assert "expired" in message


def test_paths_are_those_of_this_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", "/home/painter")
    whole = tls.with_whole_paths(HTTPOptionsSchema(ssl_keyfile="~/key.pem", ssl_certfile="c.pem"))
    assert (whole.ssl_keyfile, whole.ssl_certfile) == ("/home/painter/key.pem", str(tmp_path / "c.pem"))


def test_our_client_accepts_the_certificate_of_the_service_and_no_other(tmp_path: Path) -> None:
    served, other = make_pair(tmp_path / "served"), make_pair(tmp_path / "other")

    class Empty(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(204)
            self.end_headers()

        def log_message(self, *arguments: object) -> None:
            pass

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(served.certificate, served.key)
    with HTTPServer(("127.0.0.1", 0), Empty) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"https://127.0.0.1:{server.server_port}/"
        with httpx.Client(transport=tls.transport(options(served))) as client:
            assert client.get(url).status_code == 204
        with (
            httpx.Client(transport=tls.transport(options(other))) as client,
            pytest.raises(httpx.ConnectError, match="certificate verify failed"),
        ):
            client.get(url)
        server.shutdown()
    assert tls.transport(HTTPOptionsSchema()) is None
