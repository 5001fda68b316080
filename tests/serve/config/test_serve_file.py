"""Every setting of a configuration file has its effect, or is refused by name."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from serve.config.layer_settings import layer_defaults
from serve.config.serve_file import SHIPPED_FOLDER, ConfigFileError, load

SIMULATED = (SHIPPED_FOLDER / "simulated.yaml").read_text()


def changed(tmp_path: Path, old: str, new: str) -> Path:
    assert old in SIMULATED
    file = tmp_path / "changed.yaml"
    file.write_text(SIMULATED.replace(old, new, 1))
    return file


def refusal(file: Path | str) -> str:
    with pytest.raises(ConfigFileError) as caught:
        load(file)
    return str(caught.value)


@pytest.mark.parametrize("name", sorted(file.name for file in SHIPPED_FOLDER.glob("*.yaml")))
def test_every_shipped_file_loads(name: str) -> None:
    file = load(SHIPPED_FOLDER / name)
    assert file.host == "127.0.0.1"
    assert file.port == 8000
    assert layer_defaults("character", file.config.character).num_inference_steps == 25


def test_a_shipped_file_is_found_from_any_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert load("serve/local.yaml").path == SHIPPED_FOLDER / "local.yaml"


def test_the_file_in_the_current_folder_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "serve").mkdir()
    (tmp_path / "serve/local.yaml").write_text(SIMULATED.replace("8000", "9000"))
    monkeypatch.chdir(tmp_path)
    assert load("serve/local.yaml").port == 9000


def test_a_missing_file_lists_those_that_ship() -> None:
    message = refusal("serve/lokal.yaml")
    assert "serve/lokal.yaml" in message
    assert "serve/local.yaml" in message


@pytest.mark.parametrize(
    ("old", "new", "path", "guess"),
    [
        ("proxy_location", "proxy_locaton", "proxy_locaton", "proxy_location"),
        ("  port:", "  prot:", "http_options.prot", "port"),
        ("    route_prefix:", "    route_prefx:", "route_prefx", "route_prefix"),
        ("      merger:", "      mergr:", "args.mergr", "merger"),
        ("num_replicas: 1", "num_replica: 1", "args.character.replicas.num_replica", "num_replicas"),
        ("step_s", "steps_s", "args.character.generator.simulated.steps_s", "step_s"),
        ("source:", "sauce:", "args.character.generator.model.sauce", "source"),
    ],
)
def test_an_unknown_key_is_refused_with_a_guess(
    tmp_path: Path, old: str, new: str, path: str, guess: str
) -> None:
    file = changed(tmp_path, old, new)
    if path.startswith(("args", "route")):
        path = f"applications[0].{path}"
    assert refusal(file) == f"{file}: {path} is not a known key; did you mean {guess}?"


def test_an_unknown_option_of_a_deployment_is_refused(tmp_path: Path) -> None:
    """Serve itself ignores this option silently."""
    content = yaml.safe_load(SIMULATED)
    content["applications"][0]["deployments"] = [{"name": "Merger", "max_concurrent_queries": 3}]
    file = tmp_path / "changed.yaml"
    file.write_text(yaml.safe_dump(content))
    assert "applications[0].deployments[0].max_concurrent_queries is not a known key" in refusal(file)


def test_a_wrong_value_is_refused_with_its_path(tmp_path: Path) -> None:
    message = refusal(changed(tmp_path, "num_replicas: 1", "num_replicas: none"))
    assert "args.character.replicas.num_replicas: " in message
    message = refusal(changed(tmp_path, "  port: 8000", "  port: here"))
    assert "http_options.port: " in message


def test_a_duplicate_key_is_refused(tmp_path: Path) -> None:
    message = refusal(changed(tmp_path, "  port: 8000", "  port: 8000\n  port: 9000"))
    assert "the key port appears twice" in message


@pytest.mark.parametrize(
    "text",
    [
        "",
        "- a",
        "applications: []",
        "applications: [1, 2]",
        "a: [",
        "applications: 3",
        "http_options: 4",
        "? [a, b]\n: c",
        "? {a: b}\n: c",
        "a: 2026-02-30",
        "a: !!int many",
        "a: 0x_",
        "a: !!timestamp soon",
    ],
)
def test_what_is_no_configuration_is_refused(tmp_path: Path, text: str) -> None:
    file = tmp_path / "odd.yaml"
    file.write_text(text)
    assert str(file) in refusal(file)


def test_another_application_is_refused(tmp_path: Path) -> None:
    assert "import_path" in refusal(changed(tmp_path, "serve.app:build", "os:system"))


def test_without_a_host_only_this_machine_is_served(tmp_path: Path) -> None:
    """Serve's own default is to listen on every interface."""
    assert load(changed(tmp_path, "  host: 127.0.0.1\n", "")).host == "127.0.0.1"


def test_another_authentication_is_refused_with_what_to_write_instead(tmp_path: Path) -> None:
    message = refusal(changed(tmp_path, "    args:\n", "    args:\n      authentication: auto\n"))
    assert "applications[0].args.authentication: " in message
    assert "'required' or 'off'" in message
    assert len(message.splitlines()) == 1


@pytest.mark.parametrize("written", ["required", "off", '"off"', "null", "OFF", "no"])
def test_what_is_written_of_authentication_is_what_counts(tmp_path: Path, written: str) -> None:
    """YAML reads `off` without quotes as false."""
    config = load(changed(tmp_path, "    args:\n", f"    args:\n      authentication: {written}\n")).config
    assert config.requires_keys == (written in ("required", "null"))
    assert config.with_environment({}).authentication == config.authentication


@pytest.mark.parametrize("written", ["on", "none", '""', "0", "[]"])
def test_what_no_authentication_is_called_is_refused(tmp_path: Path, written: str) -> None:
    file = changed(tmp_path, "    args:\n", f"    args:\n      authentication: {written}\n")
    assert "authentication: input should be 'required' or 'off'" in refusal(file)


@pytest.mark.parametrize("name", sorted(file.name for file in SHIPPED_FOLDER.glob("*.yaml")))
def test_a_shipped_file_leaves_the_choice_to_how_it_is_served(name: str) -> None:
    config = load(SHIPPED_FOLDER / name).config
    assert config.authentication is None and config.requires_keys
