"""Give tokens back what their jobs took from their budgets for scenes that produced nothing."""

from __future__ import annotations

from sqlalchemy import ColumnElement, Connection, func, select, update

from ..auth.browser_tokens import give_back
from ..state.job_tables import jobs, scenes


def give_back_scenes(connection: Connection, which: ColumnElement[bool]) -> None:
    """Give back what was taken for these scenes, once, as part of the caller's transaction."""
    taken = which & scenes.c.token_steps.is_not(None)
    owed = select(jobs.c.token_id, func.sum(scenes.c.token_steps)).select_from(scenes.join(jobs))
    found = connection.execute(owed.where(taken).group_by(jobs.c.token_id)).all()
    for token_id, amount in found:
        give_back(connection, token_id, amount)
    if found:
        connection.execute(update(scenes).where(taken).values(token_steps=None))
