"""A load test that cannot begin or write ends with one sentence, without a traceback."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from loadtest.command_line import main
from loadtest.traffic.loops import Target
from tests.support.load_commands import MIX, reported

SECRET = "sup3rsecret"
LOAD = ("--rate", 20, "--duration", 0.3, "--warmup", 0, "--quiet")
NO_ONE = "http://127.0.0.1:9"


def one_sentence(result: Result) -> str:
    assert isinstance(result.exception, SystemExit), result.exception
    assert result.exit_code in (1, 2) and SECRET not in result.output + result.stderr
    (line,) = (line for line in result.stderr.splitlines() if line.startswith("Error: "))
    return line


@pytest.mark.parametrize("command", [("run", *LOAD), ("soak", "--rate", 1, "--hours", 1)])
@pytest.mark.parametrize(
    ("url", "key"),
    [
        *(
            (url, "k")
            for url in ("127.0.0.1:9", "http://h:99999", "http://[::1", f"http://u:{SECRET}@h", NO_ONE)
        ),
        *((NO_ONE, key) for key in (f"{SECRET}\nx", f"{SECRET}ü", f"Bearer {SECRET}")),
    ],
)
def test_nothing_is_sent(command: tuple[object, ...], url: str, key: str) -> None:
    environment = {"SCENEWRIGHT_API_KEY": key}
    words = [str(word) for word in (*command, "--url", url)]
    one_sentence(CliRunner().invoke(main, words, env=environment))


@pytest.mark.parametrize("option", ["--out", "--html", "--records"])
def test_a_full_disk(option: str, url: str, mix_file: str) -> None:
    result = reported("run", "--url", url, *LOAD, "--mix", mix_file, option, "/dev/full")
    assert "No space left on device" in one_sentence(result)


@pytest.mark.parametrize("file", ["no-folder/r.json", "n" * 300, ".", "no-folder/caf\udce9"])
def test_a_file_that_cannot_be_written(file: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    one_sentence(reported("run", "--url", NO_ONE, *LOAD, "--out", file))


@pytest.mark.parametrize("content", [b"", b"{", b"\xff", b"[" * 100_000, b"7"])
def test_a_file_that_holds_something_else(content: bytes, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(content)
    one_sentence(reported("run", "--url", NO_ONE, *LOAD, "--mix", file))
    one_sentence(reported("compare", file, file))
    one_sentence(reported("run", "--url", NO_ONE, "--arrival", "trace", "--trace", file))
    one_sentence(reported("compare", "/proc/self/mem", file))


def test_a_key_is_in_no_repr() -> None:
    assert SECRET not in repr(Target("http://h", api_key=SECRET))


class Prefixed(BaseHTTPRequestHandler):
    """Record the requests, and serve one job."""

    requested: list[str]

    def do_GET(self) -> None:
        self.rfile.read(int(self.headers.get("content-length") or 0))
        self.requested.append(self.path)
        scenes = [{"index": 0, "status": "succeeded", "url": "/v1/jobs/j/scenes/0"}]
        body = json.dumps({"id": "j", "status": "succeeded", "scenes": scenes}).encode()
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_POST = do_GET

    def log_message(self, *arguments: object) -> None: ...


@pytest.fixture
def prefixed() -> Iterator[str]:
    Prefixed.requested = []
    with ThreadingHTTPServer(("127.0.0.1", 0), Prefixed) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/paint"
        server.shutdown()
        thread.join()


@pytest.mark.parametrize("end", ["", "/", "//"])
def test_an_address_may_have_a_path_and_slashes_at_its_end(prefixed: str, end: str, tmp_path: Path) -> None:
    mix = MIX | {"requests": [{"name": "a", "frame": ["64x64"]}, {"name": "b", "route": "jobs", "scenes": 1}]}
    (tmp_path / "mix.json").write_text(json.dumps(mix))
    result = reported("run", "--url", f"{prefixed}{end}", *LOAD, "--mix", tmp_path / "mix.json")
    assert "Traceback" not in result.output and Prefixed.requested, result.output
    paths = {f"/paint/v1/{path}" for path in ("scenes", "jobs", "jobs/j", "jobs/j/scenes/0")}
    assert {"/paint/v1/scenes"} <= set(Prefixed.requested) <= paths
