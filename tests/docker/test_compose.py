"""docker/: the files are read strictly, and checked against the image, the settings and each other."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from serve.config.environment import VARIABLES
from serve.config.job_config import JobConfig

REPOSITORY = Path(__file__).parents[2]
LAPTOP, STORE = (REPOSITORY / "docker" / name for name in ("compose.yaml", "compose.postgres-s3.yaml"))
PAGE = (REPOSITORY / "docs/docker.md").read_text(encoding="utf-8")
DOCKERFILE = (REPOSITORY / "Dockerfile").read_text(encoding="utf-8")
REQUIRED = re.compile(r"\$\{(\w+):\?[^}]+\}")
Duration = Annotated[str, Field(pattern=r"^\d+(s|m)$")]
Size = Annotated[str, Field(pattern=r"^\d+(mb|gb)$")]
Volume = Annotated[str, Field(pattern=r"^[\w./-]+:/[\w./-]+(:ro)?$")]
Condition = Literal["service_started", "service_healthy", "service_completed_successfully"]


class Strict(BaseModel):
    """The part of Compose's specification that our files use. Both were also valid under its own schema."""

    model_config = ConfigDict(extra="forbid")


class Build(Strict):
    context: str
    target: str
    args: dict[str, str]


class Healthcheck(Strict):
    test: list[str] | None = None
    interval: Duration | None = None
    timeout: Duration | None = None
    retries: int | None = None
    start_period: Duration | None = None


class DependsOn(Strict):
    condition: Condition


class ConfigMount(Strict):
    source: str
    target: str


class Service(Strict):
    image: str | None = None
    build: Build | None = None
    command: str | list[str] | None = None
    environment: dict[str, str] = {}
    ports: list[Annotated[str, Field(pattern=r"^127\.0\.0\.1:\d+:\d+$")]] = []
    volumes: list[Volume] = []
    configs: list[ConfigMount] = []
    depends_on: list[str] | dict[str, DependsOn] = []
    healthcheck: Healthcheck | None = None
    init: bool = False
    shm_size: Size | None = None
    stop_grace_period: Duration | None = None
    restart: Literal["no", "always", "on-failure", "unless-stopped"] = "no"
    cap_drop: list[Literal["ALL"]] = []
    security_opt: list[Literal["no-new-privileges:true"]] = []


class Content(Strict):
    content: str


class Compose(Strict):
    name: str | None = None
    services: dict[str, Service]
    volumes: dict[str, None] = {}
    configs: dict[str, Content] = {}


def filled_in(text: str) -> str:
    """Replace each variable that must be set with a different word."""
    return REQUIRED.sub(lambda variable: f"a-{variable[1].lower()}", text)


def read(file: Path) -> Compose:
    return Compose.model_validate(yaml.safe_load(filled_in(file.read_text(encoding="utf-8"))))


@pytest.mark.parametrize("file", [LAPTOP, STORE], ids=lambda file: file.name)
def test_every_name_in_a_file_is_defined_there(file: Path) -> None:
    compose = read(file)
    for service in compose.services.values():
        named = {volume.split(":")[0] for volume in service.volumes}
        assert named <= compose.volumes.keys()
        assert {config.source for config in service.configs} <= compose.configs.keys()
        assert set(service.depends_on) <= compose.services.keys()
        if service.image is not None:  # Otherwise it extends a service of the other file.
            assert service.security_opt == ["no-new-privileges:true"]


@pytest.mark.parametrize("broken", [{"enviroment": {}}, {"ports": ["8000:8000"]}, {"shm_size": "1 gigabyte"}])
def test_the_check_sees_a_mistake(broken: dict[str, Any]) -> None:
    data = yaml.safe_load(LAPTOP.read_text(encoding="utf-8"))
    data["services"]["scenewright"] |= broken
    with pytest.raises(ValidationError):
        Compose.model_validate(data)


def test_the_image_is_the_dockerfile_s() -> None:
    service = read(LAPTOP).services["scenewright"]
    assert service.build is not None
    assert (LAPTOP.parent / service.build.context / "Dockerfile").resolve() == REPOSITORY / "Dockerfile"
    assert re.search(rf"^FROM \w+ AS {service.build.target}$", DOCKERFILE, re.MULTILINE)
    assert service.build.args.keys() <= set(re.findall(r"^ARG (\w+)", DOCKERFILE, re.MULTILINE))
    assert (REPOSITORY / service.build.args["LOCK"]).exists()
    (kept,) = re.findall(r"^VOLUME (.+)$", DOCKERFILE, re.MULTILINE)
    assert {volume.split(":")[1] for volume in service.volumes} == set(json.loads(kept))
    (port,) = re.findall(r"^EXPOSE (\d+)$", DOCKERFILE, re.MULTILINE)
    assert service.ports == [f"127.0.0.1:{port}:{port}"]
    assert read(STORE).services["bucket"].image == service.image


def test_nothing_but_the_service_is_reachable_from_outside() -> None:
    assert [name for name, service in read(STORE).services.items() if service.ports] == []


def test_the_service_and_its_stores_agree() -> None:
    compose = read(STORE)
    services = compose.services
    given = services["scenewright"].environment
    assert {name for name in given if not name.startswith("AWS_")} <= set(VARIABLES.values())
    jobs = JobConfig(database=given["SCENEWRIGHT_DATABASE"], pictures=given["SCENEWRIGHT_PICTURES"])
    postgres = services["postgres"].environment
    assert jobs.database == (
        f"postgresql+psycopg://{postgres['POSTGRES_USER']}:{postgres['POSTGRES_PASSWORD']}"
        f"@postgres/{postgres['POSTGRES_DB']}"
    )
    (identity,) = json.loads(compose.configs["s3"].content)["identities"]
    assert identity["credentials"] == [
        {"accessKey": given["AWS_ACCESS_KEY_ID"], "secretKey": given["AWS_SECRET_ACCESS_KEY"]}
    ]
    assert services["s3"].configs[0].target in str(services["s3"].command)
    assert given.items() <= services["bucket"].environment.items()
    assert services["scenewright"].depends_on == {
        "postgres": DependsOn(condition="service_healthy"),
        "bucket": DependsOn(condition="service_completed_successfully"),
    }


def test_the_page_sets_what_must_be_set() -> None:
    required = set(REQUIRED.findall(STORE.read_text(encoding="utf-8")))
    (written,) = re.findall(r"printf '(.+?)' .* > docker/\.env\)", PAGE)
    assert set(re.findall(r"(\w+)=%s", written.replace("\\n", " "))) == required
    assert not REQUIRED.findall(LAPTOP.read_text(encoding="utf-8"))


def test_the_page_s_commands_name_what_is_there() -> None:
    services = read(LAPTOP).services.keys() | read(STORE).services.keys()
    commands = re.findall(r"^docker compose (.+?[^\\])$", PAGE, re.MULTILINE | re.DOTALL)
    assert len(commands) >= 4
    for command in commands:
        for name in re.findall(r"-f (\S+)", command):
            assert (REPOSITORY / name).exists()
        for name in re.findall(r" exec (?:-T )?(\S+)", command):
            assert name in services


def test_a_configuration_of_one_s_own_can_be_laid_over_it() -> None:
    (example,) = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
    laid = Compose.model_validate(yaml.safe_load(example)).services["scenewright"]
    (usual,) = re.findall(r"^CMD (.+)$", DOCKERFILE, re.MULTILINE)
    assert isinstance(laid.command, list)
    assert [word for word in laid.command if not word.endswith(".yaml")] == [
        word for word in json.loads(usual) if not word.endswith(".yaml")
    ]
    assert laid.volumes[0].split(":")[1] in laid.command
