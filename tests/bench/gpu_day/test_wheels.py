from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from bench.gpu_day import wheels
from bench.gpu_day.wheels import collect, needs, pack_tightly, pinned_versions, unpack


def wheel(folder: Path, name: str, **files: str) -> Path:
    folder.mkdir(exist_ok=True)
    made = folder / f"{name}-1.0-py3-none-any.whl"
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        for file, text in files.items():
            archive.writestr(file.replace("__", "/"), text)
    return made


def test_all_that_is_needed_is_named_and_torch_never() -> None:
    names = {pinned.partition("==")[0] for pinned in pinned_versions(["Pillow", "typing_extensions"])}
    assert {"diffusers", "transformers", "greenlet", "pydantic", "pydantic-core", "tokenizers"} <= names
    assert names.isdisjoint({"torch", "ray", "triton", "pillow", "typing-extensions", "fastapi", "xformers"})
    assert not any(name.startswith("nvidia") for name in names)


def test_what_is_needed_only_for_an_extra_is_not() -> None:
    assert "idna" in needs(["anyio"], set())
    assert "trio" not in needs(["anyio"], set())
    assert needs(["nowhere-at-all"], set()) == set()


def test_a_wheel_is_packed_again_and_unpacks_the_same(tmp_path: Path) -> None:
    text = "".join(str(number**2) for number in range(40_000))
    made = wheel(tmp_path / "wheels", "thing", thing__a=text, **{"thing-1.0.data__purelib__other": "y"})
    small = wheel(tmp_path / "wheels", "small", small__a="x")
    loose, smallest = made.stat().st_size, small.stat().st_size
    pack_tightly(made)
    pack_tightly(small)
    assert made.stat().st_size < loose and small.stat().st_size == smallest
    site = unpack(tmp_path / "wheels", tmp_path / "site")
    assert (site / "thing" / "a").read_text() == text
    assert (site / "other").read_text() == "y"


def test_the_right_wheels_are_requested(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[list[str]] = []

    class Done:
        returncode = 0

    def run(command: list[str], check: bool) -> Done:
        asked.append(command)
        wheel(tmp_path / "wheels", "thing", thing__a="x")
        return Done()

    monkeypatch.setattr(wheels.subprocess, "run", run)
    said: list[object] = []
    collect(tmp_path / "wheels", "3.12", [], said.append)
    (command,) = asked
    assert "--only-binary=:all:" in command and "--no-deps" in command
    assert command[command.index("--python-version") + 1] == "3.12"
    assert "manylinux_2_28_x86_64" in command
    assert any(word.startswith("diffusers==") for word in command)
    assert "MiB" in str(said)


def test_a_registry_that_is_not_there_ends_it_in_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Done:
        returncode = 1

    monkeypatch.setattr(wheels.subprocess, "run", lambda command, check: Done())
    with pytest.raises(SystemExit, match="could not download the wheels"):
        collect(tmp_path / "wheels", "", [], print)
