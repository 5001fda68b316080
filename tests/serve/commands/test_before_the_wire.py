"""A command that cannot send ends with a sentence and an exit code, without a traceback or a secret."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from serve.cli import main
from serve.commands.demo import main as demo
from tests.support.sending import SECRET
from tests.support.stub_service import Stub, run

NO_ONE = "http://127.0.0.1:9"
NO_ENVIRONMENT = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "SSL_CERT_FILE", "SSL_CERT_DIR")


@pytest.fixture(autouse=True)
def _nothing_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (*NO_ENVIRONMENT, "SCENEWRIGHT_URL", "SCENEWRIGHT_API_KEY", "SCENEWRIGHT_STATE_DIR"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


def one_sentence(result: Result) -> str:
    """Return the error; check that the command exited on purpose and did not print the secret."""
    assert isinstance(result.exception, SystemExit), result.exception
    assert SECRET not in result.output + result.stderr
    (line,) = (line for line in result.stderr.splitlines() if line.startswith("Error: "))
    return line


@pytest.mark.parametrize("command", [("models",), ("job", "list"), ("job", "fetch", "j", "-o", "out")])
@pytest.mark.parametrize(
    ("url", "environment"),
    [
        ("http://scenes.example:8000", {"ALL_PROXY": f"socks5://u:{SECRET}@127.0.0.1:9"}),
        ("https://scenes.example", {"HTTPS_PROXY": f"foo://u:{SECRET}@proxy"}),
        ("https://scenes.example", {"SSL_CERT_FILE": "/nowhere.pem"}),
        (NO_ONE, {"SCENEWRIGHT_API_KEY": f"{SECRET}\nx"}),
        (NO_ONE, {"SCENEWRIGHT_API_KEY": f"schlüssel{SECRET}"}),
        (f"http://u:{SECRET}@127.0.0.1:9", {}),
        ("127.0.0.1:9", {}),
        ("http://a..b", {}),
    ],
)
def test_nothing_is_sent(command: tuple[str, ...], url: str, environment: dict[str, str]) -> None:
    result = CliRunner().invoke(main, [*command, "--url", url], env=environment)
    assert result.exit_code == 2
    assert "no Scenewright at" not in one_sentence(result)
    assert CliRunner().invoke(main, command, env=environment | {"SCENEWRIGHT_URL": url}).exit_code == 2


def test_the_environment_may_say_where_the_service_is(server: Stub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SCENEWRIGHT_URL", f"{server.url}//")
    monkeypatch.setenv("SCENEWRIGHT_API_KEY", "k\n")
    assert "storybook-character" in run("models").output
    assert "no Scenewright at http://127.0.0.1:9" in run("models", "--url", NO_ONE).stderr


@pytest.mark.parametrize("words", [("caf\udce9", "b"), ("a", "half \ud83d")])
def test_words_that_are_no_text(words: tuple[str, str], tmp_path: Path) -> None:
    result = run("scene", *words, "--url", NO_ONE, "-o", tmp_path / "s.png")
    assert result.exit_code == 2
    assert ".prompt contains a lone surrogate, or bytes that are not UTF-8" in one_sentence(result)


@pytest.mark.parametrize(
    "content",
    [
        *(
            b'[{"character": NaN}]',
            b"[-Infinity]",
            b'[{"a": 1, "a": 2}]',
            b"[" * 100_000,
            b"\xff\xfe",
            b"",
            b"7",
        ),
        *(b'[{"character": "\\ud83d", "background": "b"}]', b"[" + b"9" * 5_000 + b"]", b'{"scenes": {}}'),
        b'{"scenes": [], "webhook": {"url": "https://a.example"}}',  # was ignored silently
    ],
)
def test_a_file_that_holds_no_scenes(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "scenes.json").write_bytes(content)
    result = run("job", "submit", tmp_path / "scenes.json", "--url", NO_ONE)
    assert result.exit_code == 2
    one_sentence(result)


@pytest.mark.parametrize("file", ["nowhere.json", ".", "/proc/self/mem", "n" * 300, "caf\udce9.json"])
def test_a_file_that_cannot_be_read(file: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for words in (("job", "submit", file), ("plan", "--rps", 1, "--p95", 1, "--profile", file)):
        result = run(*words)
        assert result.exit_code in (1, 2)
        one_sentence(result)
    one_sentence(run("merge", file, file, "-o", "m.png"))


@pytest.mark.parametrize("key", ["зима", "a\nb", "k" * 300])
def test_a_jobs_key_that_no_header_can_carry(key: str, tmp_path: Path) -> None:
    (tmp_path / "scenes.json").write_text("[]")
    result = run("job", "submit", tmp_path / "scenes.json", "--idempotency-key", key, "--url", NO_ONE)
    assert result.exit_code == 2
    assert "idempotency_key" in one_sentence(result)


@pytest.mark.parametrize(
    "words",
    [
        ("scene", "a", "b", "-o", f"{'n' * 300}.png"),
        ("scene", "a", "b", "-o", "no-folder/caf\udce9.png"),
        ("scene", "a", "b", "-o", "caf\udce9.bmp"),
        ("scene", "a", "b", "-o", "s.png", "--previews", "file.txt/steps"),
        ("job", "fetch", "j", "-o", "file.txt/out"),
        ("profile", "--device", "x", "-o", "no-folder/p.json"),
        ("keys", "--state-dir", "~nobody-of-that-name/x", "list"),
        ("keys", "--state-dir", "file.txt", "create", "me"),
    ],
)
def test_a_place_that_cannot_be_written(
    words: tuple[str, ...],
    server: Stub,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file.txt").write_text("")
    server.responses["/v1/jobs/j"] = (
        200,
        {"id": "j", "status": "succeeded", "scenes": [{"index": 0, "url": "u"}]},
    )
    server.pictures["/v1/jobs/j/scenes/0"] = b"a jpeg"
    result = run(*words) if words[0] == "keys" else run(*words, "--url", server.url)
    assert result.exit_code in (1, 2)
    one_sentence(result)


def process(*words: str | bytes, **more: object) -> subprocess.CompletedProcess[bytes]:
    environment = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
    command = [sys.executable, "-m", "serve.cli", *words]
    return subprocess.run(command, env={**environment, "PYTHONIOENCODING": "ascii"}, check=False, **more)  # type: ignore[call-overload,no-any-return]


@pytest.fixture
def named(server: Stub) -> Iterator[Stub]:
    server.responses["/v1/models"] = (200, {"data": [{"id": "größer", "serving": []}]})
    return server


def test_a_terminal_that_knows_fewer_letters(named: Stub, tmp_path: Path) -> None:
    done = process("models", "--url", named.url, capture_output=True)
    assert done.returncode == 0, done.stderr
    file = bytes(tmp_path) + b"/caf\xe9.png"
    done = process("scene", "a", "b", "-o", file, "--url", named.url, capture_output=True)
    assert done.returncode == 0, done.stderr
    assert Path(os.fsdecode(file)).read_bytes()


def test_a_full_disk(named: Stub) -> None:
    with Path("/dev/full").open("wb") as full:
        done = process("models", "--url", named.url, stdout=full, stderr=subprocess.PIPE)
    assert done.returncode == 1
    assert b"Traceback" not in done.stderr and b"Error: No space left on device" in done.stderr


@pytest.mark.parametrize(
    "file", ["no-folder/s.jpg", f"{'n' * 300}.jpg", "s.bmp", "caf\udce9", ".", "file.txt/s.jpg"]
)
def test_the_demo_checks_its_file_before_it_starts(
    file: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file.txt").write_text("")
    result = CliRunner().invoke(demo, ["--output", file])
    assert result.exit_code == 2
    one_sentence(result)


@pytest.mark.parametrize("config", ["nowhere.yaml", ".", "odd.yaml", "bytes.yaml", "n" * 300])
def test_a_configuration_that_cannot_be_read(
    config: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "odd.yaml").write_text("[" * 5_000)
    (tmp_path / "bytes.yaml").write_bytes(b"\xff\x00")
    for result in (CliRunner().invoke(demo, ["--config", config]), run("serve", "--config", config)):
        assert result.exit_code == 1
        one_sentence(result)


@pytest.mark.parametrize("name", ["MAX_IMAGE_SIZE", "USE_XFORMERS", "SCENEWRIGHT_ALLOWED_HOSTS"])
def test_a_wrong_setting_of_the_environment(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, "no such")
    config = "serve/simulated.yaml"
    for result in (CliRunner().invoke(demo, ["--config", config]), run("serve", "--config", config)):
        assert result.exit_code == 1
        one_sentence(result)
        assert name in result.output
