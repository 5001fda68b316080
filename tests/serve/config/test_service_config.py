from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import ValidationError
from ray.serve.schema import ServeDeploySchema

from deployments.imaging.cutout.neural_matting import MattingConfig
from deployments.imaging.files.signing import SigningConfig
from deployments.imaging.marks.provenance import ProvenanceConfig
from serve.config.known_keys import UnknownKey, check_keys
from serve.config.layer_settings import Defaults, layer_defaults
from serve.config.service_config import ServiceConfig

REPOSITORY = Path(__file__).parents[3]
FILES = sorted((REPOSITORY / "serve").glob("*.yaml"))
OVERLAY = REPOSITORY / "kubernetes/overlays/gpu/serve-config.yaml"


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_the_files_that_ship_are_valid_to_ray_and_to_us(file: Path) -> None:
    content = yaml.safe_load(file.read_text(encoding="utf-8"))
    ServeDeploySchema.model_validate(content)
    config = ServiceConfig.model_validate(content["applications"][0]["args"])
    assert layer_defaults("character", config.character) == Defaults(25, 7.5, 384, 512)
    assert layer_defaults("background", config.background) == Defaults(20, 6.0, 512, 384)


def test_there_are_files_that_ship() -> None:
    assert {"gpu.yaml", "local.yaml", "simulated.yaml"} <= {file.name for file in FILES}


def safety_mode(text: str) -> str:
    """Return the safety mode of a Serve configuration."""
    args = yaml.safe_load(text)["applications"][0]["args"]
    return ServiceConfig.model_validate(args).safety.mode


def test_pictures_are_flagged_on_a_cluster_and_unjudged_on_a_laptop() -> None:
    """A laptop needs no extra package for it, and a cluster's responses report what was found."""
    modes = {file.name: safety_mode(file.read_text(encoding="utf-8")) for file in FILES}
    assert (modes["gpu.yaml"], modes["local.yaml"]) == ("flag", "off")
    (patch,) = yaml.safe_load(OVERLAY.read_text(encoding="utf-8"))
    assert patch["path"] == "/spec/serveConfigV2"
    assert safety_mode(patch["value"]) == "flag"


@pytest.mark.parametrize(
    "path",
    [
        "tone",
        "character.tone",
        "character.generator.tone",
        "character.generator.model.tone",
        "character.generator.simulated.tone",
        "character.generator.generation.tone",
        "background.replicas.tone",
        "background.defaults.tone",
        "merger.tone",
        "merge.tone",
        "limits.tone",
    ],
)
def test_an_unknown_key_is_refused_at_every_depth(path: str) -> None:
    data: dict[str, Any] = ServiceConfig().model_dump()
    inner = data
    for key in path.split(".")[:-1]:
        inner = inner[key]
    inner["tone"] = 1
    with pytest.raises(ValidationError, match=f"{re.escape(path)} is not a known key"):
        ServiceConfig.model_validate(data)


def test_serve_run_guesses_what_an_unknown_key_was_meant_to_be() -> None:
    """`serve run` shows the error that is raised here; `scenewright serve` reads the file itself."""
    with pytest.raises(ValidationError, match=r"generator\.generaton is not .*; did you mean generation\?"):
        ServiceConfig.model_validate({"character": {"generator": {"generaton": {}}}})


def test_an_autoscaling_option_that_ray_does_not_know_is_refused() -> None:
    known: dict[str, Any] = {"min_replicas": 1, "max_replicas": 4}
    assert ServiceConfig.model_validate({"merger": {"autoscaling": known}}).merger.autoscaling == known
    for wrong in ({"max_replica": 4}, {"min_replicas": 4, "max_replicas": 2}):
        with pytest.raises(ValidationError, match=r"merger\.autoscaling"):
            ServiceConfig.model_validate({"merger": {"autoscaling": wrong}})


@pytest.mark.parametrize(
    "wrong",
    [
        {"limits": {"max_image_size": 0}},
        {"limits": {"max_image_size": 100_000}},
        {"limits": {"max_steps": 10}},
        {"limits": {"max_guidance": 5}},
        {"limits": {"max_guidance": float("nan")}},
        {"jobs": {"concurrency": 0}},
        {"jobs": {"lease_s": -1}},
        {"jobs": {"poll_s": 0}},
        {"jobs": {"retention_s": float("nan")}},
        {"jobs": {"max_json_bytes": 0}},
        {"jobs": {"min_free_bytes": -1}},
        {"jobs": {"database": "nonsense"}},
        {"jobs": {"pictures": ""}},
        {"limits": {"max_guidance": -1}},
        {"limits": {"max_deadline_s": float("inf")}},
        {"limits": {"min_image_size": 2048}},
        {"limits": {"min_image_size": 512, "max_frame_size": 256}},
        {"merge": {"quality": 0}},
        {"merge": {"mode": "collage"}},
        {"allowed_hosts": ["https://paint.example"]},
        {"allowed_hosts": "paint.example"},
    ],
)
def test_settings_that_cannot_be_meant_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        ServiceConfig.model_validate(wrong)


def test_a_configuration_survives_being_written_down() -> None:
    config = ServiceConfig.model_validate({"limits": {"max_image_size": 2048}, "merger": {"num_cpus": 2}})
    assert ServiceConfig.model_validate(config.model_dump()) == config
    assert ServiceConfig.model_validate_json(config.model_dump_json()) == config


def test_the_merger_is_configured_by_its_own_dataclasses() -> None:
    given = {
        "provenance": {"prompts": False},
        "matting": {},
        "signing": {"certificate": "chain.pem", "key": "key.pem"},
    }
    check_keys(given, ServiceConfig)
    config = ServiceConfig.model_validate(given)
    assert config.provenance == ProvenanceConfig(prompts=False)
    assert config.matting == MattingConfig("isnet-anime")
    assert config.signing == SigningConfig("chain.pem", "key.pem")
    assert (ServiceConfig().matting, ServiceConfig().signing) == (None, None)
    with pytest.raises(UnknownKey, match=r"provenance\.promts is not a known key"):
        check_keys({"provenance": {"promts": False}}, ServiceConfig)
    with pytest.raises(UnknownKey, match=r"matting\.modell"):
        check_keys({"matting": {"modell": "x"}}, ServiceConfig)


@pytest.mark.parametrize(
    "database",
    [
        *("sup3rsecret", "postgresql://u@h:sup3rsecret/db", "postgresql://u:sup3r@secret@h/db"),
        *(["sup3rsecret"], {"url": "sup3rsecret"}, 5),
    ],
)
def test_a_databases_url_that_cannot_be_is_refused_without_its_password(database: object) -> None:
    with pytest.raises(ValidationError) as caught:
        ServiceConfig.model_validate({"jobs": {"database": database}})
    for shown in (str(caught.value), repr(caught.value)):
        assert "sup3r" not in shown and "secret@" not in shown


def test_a_databases_password_is_in_no_repr_and_no_refusal() -> None:
    url = "postgresql+psycopg://u:sup3rsecret@h/db"
    config = ServiceConfig.model_validate({"jobs": {"database": url}})
    assert config.jobs.database == url
    assert "sup3rsecret" not in repr(config) + str(config)
    for wrong in ({"jobs": {"database": url, "odd": 1}}, {"jobs": {"database": url}, "odd": 1}):
        with pytest.raises(ValidationError) as caught:
            ServiceConfig.model_validate(wrong)
        assert "sup3rsecret" not in str(caught.value)


@pytest.mark.parametrize("deployment", ["ingress", "worker", "merger"])
def test_a_key_that_is_set_changes_no_other(deployment: str) -> None:
    alone = getattr(ServiceConfig(**{deployment: {"memory_bytes": 10**9}}), deployment)
    assert alone == getattr(ServiceConfig(), deployment).model_copy(update={"memory_bytes": 10**9})
