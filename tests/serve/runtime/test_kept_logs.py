from __future__ import annotations

from pathlib import Path

import pytest

from serve.config.service_config import ServiceConfig
from serve.runtime.kept_logs import KEPT_RUNS, new_folder, with_kept_logs
from serve.runtime.start_errors import CannotStart
from serve.telemetry.logs import LogConfig


def test_a_run_logs_to_a_folder_of_its_own_which_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SCENEWRIGHT_STATE_DIR", str(tmp_path / "state"))
    said: list[str] = []
    config = with_kept_logs(ServiceConfig(), said.append)
    folder = Path(config.logs.folder or "")
    assert folder.parent == tmp_path / "state/logs" and folder.stat().st_mode & 0o777 == 0o700
    assert said == [f"logs in {folder}"]
    assert config.logs.for_serve()["logs_dir"] == str(folder)


def test_a_folder_that_is_configured_is_taken(tmp_path: Path) -> None:
    said: list[str] = []
    config = with_kept_logs(ServiceConfig(logs=LogConfig(folder=str(tmp_path / "mine"))), said.append)
    assert config.logs.folder == str(tmp_path / "mine") and said == [f"logs in {tmp_path / 'mine'}"]


def test_where_no_folder_can_be_made_it_serves_all_the_same(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("a file is in the way")
    said: list[str] = []
    config = with_kept_logs(ServiceConfig(state_dir=str(tmp_path / "state")), said.append)
    assert config.logs.folder is None
    assert said == [f"note: logs are not kept: {tmp_path / 'state/logs'}: Not a directory"]


def test_only_the_last_runs_are_kept(tmp_path: Path) -> None:
    for number in range(KEPT_RUNS + 2):
        (tmp_path / f"logs/20200101-00000{number}-1").mkdir(parents=True)
    newest = new_folder(tmp_path)
    kept = sorted(run.name for run in (tmp_path / "logs").iterdir())
    assert len(kept) == KEPT_RUNS and kept[-1] == newest.name
    assert kept[0] == f"20200101-00000{3}-1"


@pytest.mark.parametrize(
    ("name", "value"), [("MAX_IMAGE_SIZE", "large"), ("SCENEWRIGHT_ALLOWED_HOSTS", "a b")]
)
def test_a_wrong_environment_stops_the_start_in_one_sentence(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(CannotStart, match=rf"^{name}[^\n]+$"):
        with_kept_logs(ServiceConfig(), print)
