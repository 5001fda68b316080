"""`scenewright webhooks`: the secret, the deliveries, and resending one."""

from __future__ import annotations

from pathlib import Path

from click.testing import CliRunner, Result

from scenewright.cli import main
from serve.config.job_config import JobConfig
from serve.jobs.job_ids import new_job_id
from serve.jobs.job_store import JobStore
from serve.jobs.states import NewScene
from serve.state.open_state import open_state
from serve.webhooks import outbox

URL = "https://hooks.example.com/done"


def run(state_dir: Path, *arguments: str) -> Result:
    return CliRunner().invoke(main, ["webhooks", "--state-dir", str(state_dir), *arguments])


def test_the_secret_stays_until_it_is_rotated(tmp_path: Path) -> None:
    first = run(tmp_path, "secret", "--tenant", "acme").output
    assert first.startswith("whsec_") and run(tmp_path, "secret", "--tenant", "acme").output == first
    rotated = run(tmp_path, "secret", "--tenant", "acme", "--rotate").output
    assert rotated.startswith("whsec_") and rotated != first
    assert run(tmp_path, "secret", "--tenant", "acme").output == rotated


def test_deliveries_are_listed_and_sent_again(tmp_path: Path) -> None:
    engine = open_state(tmp_path, JobConfig())
    store = JobStore(engine)
    job_id = store.submit(new_job_id(), "acme", [NewScene("{}", 60.0)], webhook_url=URL)
    assert f"pending  0  {job_id}  {URL}" in run(tmp_path, "list").output
    store.cancel("acme", job_id)
    (delivery,) = outbox.claim(engine, 9)
    outbox.failed(engine, delivery, "responded with 410", final=True)
    assert (
        f"failed  1  {job_id}  {URL}  responded with 410" in run(tmp_path, "list", "--tenant", "acme").output
    )
    assert run(tmp_path, "list", "--tenant", "other").output == ""
    assert run(tmp_path, "replay", delivery.id).output == f"{delivery.id} will be sent again\n"
    assert f"due  0  {job_id}" in run(tmp_path, "list").output
    engine.dispose()


def test_an_unknown_delivery_is_a_sentence(tmp_path: Path) -> None:
    result = run(tmp_path, "replay", "msg_none")
    assert result.exit_code == 1 and "there is no delivery msg_none" in result.stderr
