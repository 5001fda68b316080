"""A database that goes back to an earlier version, and forth again."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config

from deployments.messages import Usage
from serve.graph.bill import Used
from serve.jobs.states import NewScene
from serve.jobs.store import JobStore
from serve.state.database import MIGRATIONS, open_database
from serve.usage import store as usage
from serve.webhooks import outbox


def test_deliveries_of_jobs_outlive_it_and_those_of_no_job_do_not(tmp_path: Path) -> None:
    engine = open_database(f"sqlite:///{tmp_path / 'jobs.sqlite'}")
    JobStore(engine).submit("j", "a", [NewScene("{}", 60.0)], now=0.0, webhook_url="https://h.example")
    with engine.begin() as connection:
        outbox.report(connection, "a", "https://h.example", "budget.exhausted", {}, 0.0)
        usage.add(connection, {("a", "k"): Used(1, Usage(1.0, 1.0))}, 0.0)
    for direction, revision in ((command.downgrade, "0007"), (command.upgrade, "head")):
        with engine.begin() as connection:
            config = Config()
            config.set_main_option("script_location", str(MIGRATIONS))
            config.attributes["connection"] = connection
            direction(config, revision)
    assert [delivery.job_id for delivery in outbox.listed(engine)] == ["j"]
    day = usage.day_of(0.0)
    assert usage.total(engine, "a", day, day, None) == Used()
    engine.dispose()
