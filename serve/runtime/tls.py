"""Set up TLS from the Serve file: try the certificate before Ray starts, and make our client trust it."""

from __future__ import annotations

import ssl
from pathlib import Path

import httpx
from ray.serve.schema import HTTPOptionsSchema

from .start_errors import CannotStart


def with_whole_paths(http: HTTPOptionsSchema) -> HTTPOptionsSchema:
    """Make both files' paths absolute, since Serve's proxy has another working directory."""
    files = {
        key: str(Path(path).expanduser().absolute())
        for key in ("ssl_keyfile", "ssl_certfile")
        if (path := getattr(http, key))
    }
    return http.model_copy(update=files)


def check(http: HTTPOptionsSchema) -> None:
    """Raise CannotStart if the certificate and key cannot be served, or no client would accept them."""
    if not http.ssl_certfile or not http.ssl_keyfile:
        return
    for key in ("ssl_keyfile", "ssl_certfile"):
        file = Path(getattr(http, key))
        try:
            file.read_bytes()
        except OSError as error:
            raise CannotStart(f"http_options.{key}: {file} cannot be read: {error.strerror}") from error
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        # The password is a function, or OpenSSL would prompt for one on the terminal.
        server.load_cert_chain(
            http.ssl_certfile, http.ssl_keyfile, password=lambda: http.ssl_keyfile_password or ""
        )
        _shake_hands(server, trusting(http.ssl_certfile))
    except ssl.SSLCertVerificationError as error:
        fault = f"no client will accept {http.ssl_certfile}: {error.verify_message}"
        raise CannotStart(f"http_options.ssl_certfile: {fault}") from error
    except (ssl.SSLError, ValueError) as error:
        raise CannotStart(f"http_options.ssl_keyfile: {_reason(error, http.ssl_keyfile)}") from error


def _reason(error: Exception, keyfile: str) -> str:
    reason = str(getattr(error, "reason", None) or error).replace("_", " ").lower()
    if "mismatch" in reason:
        return "this key does not belong to the certificate in ssl_certfile"
    # OpenSSL reports a missing password in the same words as a file that is no key.
    if b"ENCRYPTED" in Path(keyfile).read_bytes():
        return "this key is encrypted, and ssl_keyfile_password does not decrypt it"
    return f"this file or ssl_certfile is not a PEM file with a key or certificate ({reason})"


def _shake_hands(server: ssl.SSLContext, client: ssl.SSLContext) -> None:
    """Complete a handshake between a client and a server in memory. Raises ssl.SSLError."""
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    sides = [
        client.wrap_bio(to_client, to_server, server_side=False),
        server.wrap_bio(to_server, to_client, server_side=True),
    ]
    for _ in range(10):
        waiting = 0
        for side in sides:
            try:
                side.do_handshake()
            except ssl.SSLWantReadError:
                waiting += 1
        if not waiting:
            return
    raise ssl.SSLError("the TLS handshake does not finish")


def trusting(certificate: str) -> ssl.SSLContext:
    """Make a client context that accepts only this certificate, self-signed or not, under any name."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    # The certificate itself is the trust anchor, even if an authority that is unknown here has signed it.
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    context.load_verify_locations(certificate)
    return context


def transport(http: HTTPOptionsSchema) -> httpx.HTTPTransport | None:
    """Return the transport with which our own client reaches this service, or None without TLS."""
    if not http.ssl_certfile:
        return None
    return httpx.HTTPTransport(verify=trusting(http.ssl_certfile))
