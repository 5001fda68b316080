"""A database that is downgraded to an earlier version and upgraded again."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import Engine, insert, select

from deployments.messages import Usage
from serve.graph.bill import Used
from serve.jobs.job_store import JobStore
from serve.jobs.states import NewScene
from serve.pictures import loose_pictures as loose
from serve.pictures.result_store import ResultStore
from serve.state.database import MIGRATIONS, open_database
from serve.state.picture_tables import picture_holds
from serve.state.storage_budget import StorageBudget
from serve.usage import usage_store as usage
from serve.webhooks import outbox


def back_and_forth(engine: Engine, revision: str) -> None:
    for direction, to in ((command.downgrade, revision), (command.upgrade, "head")):
        with engine.begin() as connection:
            config = Config()
            config.set_main_option("script_location", str(MIGRATIONS))
            config.attributes["connection"] = connection
            direction(config, to)


def test_files_of_results_are_nobodys_before_there_were_any(tmp_path: Path) -> None:
    engine = open_database(f"sqlite:///{tmp_path / 'jobs.sqlite'}")
    results = ResultStore(engine, 10)
    token = results.begin("a", "0" * 64, 1, StorageBudget(10, 10))
    results.keep("a", "0" * 64, "png", 1, 60.0, token)
    back_and_forth(engine, "0012")
    dropped: list[str] = []
    for noted in loose.old(engine, -1.0):
        loose.tidy(engine, noted, dropped.append)
    assert dropped == ["0" * 64]
    engine.dispose()


def test_deliveries_of_jobs_outlive_it_and_those_of_no_job_do_not(tmp_path: Path) -> None:
    engine = open_database(f"sqlite:///{tmp_path / 'jobs.sqlite'}")
    JobStore(engine).submit("j", "a", [NewScene("{}", 60.0)], now=0.0, webhook_url="https://h.example")
    with engine.begin() as connection:
        outbox.report(connection, "a", "https://h.example", "budget.exhausted", {}, 0.0)
        usage.add(connection, {("a", "k"): Used(1, Usage(1.0, 1.0))}, 0.0)
    back_and_forth(engine, "0007")
    assert [delivery.job_id for delivery in outbox.listed(engine)] == ["j"]
    day = usage.day_of(0.0)
    assert usage.total(engine, "a", day, day, None) == Used()
    engine.dispose()


def test_what_a_story_held_is_held_no_more(tmp_path: Path) -> None:
    """The earlier code does not know stories: their pictures would neither expire nor be removed."""
    engine = open_database(f"sqlite:///{tmp_path / 'jobs.sqlite'}")
    holders = ["job:j", f"story:{'0' * 32}"]
    with engine.begin() as connection:
        rows = [{"holder": holder, "owner": "a", "name": "b" * 64} for holder in holders]
        connection.execute(insert(picture_holds), rows)
    back_and_forth(engine, "0010")
    with engine.connect() as connection:
        assert list(connection.execute(select(picture_holds.c.holder)).scalars()) == ["job:j"]
    engine.dispose()
