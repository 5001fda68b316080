"""`scenewright keys`: tenants, their keys, and what goes wrong."""

from __future__ import annotations

import sqlite3
import time
from contextlib import closing
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from serve.auth.key_store import open_keys
from serve.auth.keys import Key
from serve.cli import main


def run(state_dir: Path, *arguments: str) -> Result:
    return CliRunner().invoke(main, ["keys", "--state-dir", str(state_dir), *arguments])


def only(state_dir: Path) -> Key:
    (key,) = open_keys(state_dir).all()
    return key


def test_created_listed_and_revoked(tmp_path: Path) -> None:
    place = tmp_path / "new"
    made = run(place, "create", "the site", "--scope", "generate", "--rate", "2", "--burst", "9")
    assert made.exit_code == 0, made.output
    whole, key = made.stdout.strip(), only(place)
    assert key.is_of(whole) and "of tenant the site, for generate" in made.stderr
    assert (key.name, key.tenant, key.scopes) == ("the site", "the site", ("generate",))
    assert (key.rate, key.burst, key.concurrent) == (2, 9, 16)
    listed = run(place, "list").stdout
    assert key.id in listed and "generate  the site  used never" in listed and whole not in listed
    assert run(place, "revoke", key.id).stdout == f"{key.id} is revoked\n"
    assert "revoked  the site" in run(place, "list").stdout
    assert only(place).revoked_at


def test_a_tenant_gets_a_second_key(tmp_path: Path) -> None:
    run(tmp_path, "create", "acme", "--concurrent", "3")
    taken = run(tmp_path, "create", "acme")
    assert (
        taken.exit_code == 1
        and "there is already a tenant acme: give it another key with --tenant" in taken.stderr
    )
    assert run(tmp_path, "create", "--tenant", "acme", "--expires", "90d").exit_code == 0
    assert run(tmp_path, "create", "batch", "--tenant", "acme").exit_code == 0
    limited = run(tmp_path, "create", "more", "--tenant", "acme", "--rate", "1")
    assert limited.exit_code == 1 and "change them with `keys limit`" in limited.stderr
    assert run(tmp_path, "limit", "acme", "--rate", "5").exit_code == 0
    first, second, third = open_keys(tmp_path).all()
    assert {each.tenant for each in (first, second, third)} == {"acme"}
    assert {(each.rate, each.concurrent) for each in (first, second, third)} == {(5, 3)}
    assert second.expires_at and abs(second.expires_at - time.time() - 90 * 86_400) < 600
    assert "jobs  acme: batch" in run(tmp_path, "list").stdout


def test_replaced(tmp_path: Path) -> None:
    run(tmp_path, "create", "acme", "--scope", "jobs")
    old = only(tmp_path)
    made = run(tmp_path, "replace", old.id, "--grace", "1h")
    assert made.exit_code == 0 and made.stdout.startswith("sw_")
    before, new = open_keys(tmp_path).all()
    assert (new.tenant, new.scopes, new.expires_at) == ("acme", ("jobs",), None)
    assert before.expires_at and before.work == "finish"


@pytest.mark.parametrize(
    ("when", "seconds"), [("30m", 1_800), ("12h", 43_200), ("7d", 604_800), ("2999-01-02", None)]
)
def test_when_a_key_ends(tmp_path: Path, when: str, seconds: int | None) -> None:
    assert run(tmp_path, "create", "x", "--expires", when).exit_code == 0
    ends = only(tmp_path).expires_at
    assert ends and (seconds is None or abs(ends - time.time() - seconds) < 600)


@pytest.mark.parametrize(
    "arguments",
    [
        ("create",),
        ("create", "x", "--scope", "all"),
        ("create", "x", "--burst", "2"),
        ("create", "x", "--expires", "2001-01-01"),
        ("create", "x", "--expires", "soon"),
        ("create", "x", "--expires", "0d"),
        ("create", "x", "--expires", "-1d"),
        ("create", "x", "--expires", "999999d2"),
        ("replace", "x", "--grace", "2030-01-01"),
        ("revoke", "x", "--work", "burn"),
        ("limit", "x"),
        ("--database", "nonsense", "list"),
    ],
)
def test_wrong_arguments(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    assert run(tmp_path, *arguments).exit_code == 2
    assert list(tmp_path.iterdir()) == []


def test_what_goes_wrong_is_a_sentence(tmp_path: Path) -> None:
    for command in ("revoke", "replace"):
        assert "no key nobody" in run(tmp_path, command, "nobody").stderr
    assert "no tenant nobody" in run(tmp_path, "limit", "nobody", "--rate", "1").stderr
    assert "1 to 64 printable" in run(tmp_path, "create", "x" * 65).stderr
    (tmp_path / "file").touch()
    assert run(tmp_path / "file", "create", "x").exit_code == 1
    (tmp_path / "odd").mkdir()
    (tmp_path / "odd/jobs.sqlite").write_bytes(b"x" * 4_096)
    assert "the database cannot be used" in run(tmp_path / "odd", "list").stderr


def test_a_database_of_a_newer_version(tmp_path: Path) -> None:
    run(tmp_path, "create", "acme")
    with closing(sqlite3.connect(tmp_path / "jobs.sqlite")) as database:
        database.execute("UPDATE alembic_version SET version_num = '9999'")
        database.commit()
    listed = run(tmp_path, "list")
    assert listed.exit_code == 1 and "migrated by a newer version" in listed.stderr


def test_a_password_in_the_database_s_address_is_shown_nowhere(tmp_path: Path) -> None:
    for url in ("postgresql+psycopg://u:geheim@127.0.0.1:9/x", "postgresql://u:geheim@h@127.0.0.1/x"):
        said = run(tmp_path, "--database", url, "list")
        assert said.exit_code != 0 and "geheim" not in said.output
        assert said.exception is None or isinstance(said.exception, SystemExit)


def test_a_month_s_budget_and_where_its_end_is_reported(tmp_path: Path) -> None:
    assert run(tmp_path, "create", "acme", "--monthly-budget", "50000").exit_code == 0
    assert only(tmp_path).monthly_budget == 50_000
    changed = run(
        tmp_path, "limit", "acme", "--monthly-budget", "9", "--budget-webhook", "https://h.example/b"
    )
    assert changed.exit_code == 0, changed.output
    assert only(tmp_path).monthly_budget == 9
    for wrong in ("ftp://h.example", "h.example", "https://", "https://h example", "https://" + "h" * 2_000):
        refused = run(tmp_path, "limit", "acme", "--budget-webhook", wrong)
        assert refused.exit_code == 2 and "must begin with https://" in refused.stderr
    for wrong in ("0", "-1", "nan", "inf"):
        assert run(tmp_path, "limit", "acme", "--monthly-budget", wrong).exit_code == 2


def test_the_secrets_that_sign_are_replaced(tmp_path: Path) -> None:
    for what in ("links", "tokens"):
        first, second = (run(tmp_path, "rotate", what, *more).stdout for more in ([], ["--at-once"]))
        assert first.startswith(f"{what} are signed by a new secret from ") and first.endswith(" UTC\n")
        assert second.startswith(f"{what} are signed by a new secret from ")
    assert run(tmp_path, "rotate", "webhooks").exit_code == 2
