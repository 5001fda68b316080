"""Keep what each tenant may still use on all edge replicas: its rate's bucket and its monthly budget.

Every function is one transaction or part of one. All of them raise SQLAlchemyError.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

from sqlalchemy import Connection, Engine, select, update
from sqlalchemy.dialects import postgresql, sqlite

from ..state.database import now_of
from ..state.tenant_tables import quotas, tenants
from ..webhooks import outbox

EVENT = "budget.exhausted"
PIECE_S = 1.0
"""In addition to what a request needs, a replica borrows what the rate yields in this many seconds."""
RATE_SHARE, BUDGET_SHARE = 8, 64
"""That extra is at most one part in this many of what is left, since another replica may need it."""
ROUNDING = 1e-9
Reason = Literal["rate", "budget"]


@dataclass(frozen=True, kw_only=True)
class Limits:
    """Limits in megapixel-steps: a second, at once, and a month (of UTC). None means unlimited."""

    rate: float | None = None
    burst: float | None = None
    monthly_budget: float | None = None

    @property
    def at_once(self) -> float | None:
        return self.rate if self.burst is None else self.burst


@dataclass(frozen=True)
class Loan:
    """An amount that a replica may spend. `month` is the month whose budget it is taken from."""

    amount: float
    month: str


class OverQuota(Exception):
    """Too little is left, for `wait_s` seconds. `first`: this was not reported before in this month."""

    def __init__(self, reason: Reason, wait_s: float, first: bool = False) -> None:
        super().__init__(reason)
        self.reason, self.wait_s, self.first = reason, wait_s, first


class QuotaStore:
    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def borrow(self, tenant: str, amount: float, limits: Limits, now: float | None = None) -> Loan:
        """Take at least `amount`, and a little more if plenty is left. Raises OverQuota."""
        with self._engine.begin() as connection:
            now = now_of(connection, now)
            month, row = _month(now), _row(connection, tenant, now)
            spent = row.spent if row.month == month else 0.0
            left, extra = float("inf"), float("inf")
            if limits.rate is not None:
                burst = limits.at_once or 0.0
                left = (
                    burst if row.at is None else min(burst, row.left + limits.rate * max(0.0, now - row.at))
                )
                extra = min(limits.rate * PIECE_S, (left - amount) / RATE_SHARE)
            over: OverQuota | None = None
            if limits.monthly_budget is not None:
                budget_left = limits.monthly_budget - spent
                extra = min(extra, (budget_left - amount) / BUDGET_SHARE)
                if amount > budget_left + ROUNDING:
                    over = OverQuota("budget", _month_ends_in_s(now), row.reported != month)
            if over is None and limits.rate is not None and amount > left + ROUNDING:
                over = OverQuota("rate", (amount - left) / limits.rate)
            loan = Loan(amount + max(0.0, extra) if over is None else 0.0, month)
            values: dict[str, Any] = {"month": month, "spent": spent + loan.amount}
            if limits.rate is not None:
                values |= {"left": max(0.0, left - loan.amount), "at": now}
            if over is not None and over.first:
                values["reported"] = month
                _report(connection, tenant, month, limits, now)
            connection.execute(update(quotas).where(quotas.c.tenant == tenant).values(values))
        if over is not None:
            raise over
        return loan

    def give_back(self, tenant: str, loan: Loan) -> None:
        """Return the unspent part of a loan. Anything over the burst is dropped at the next loan."""
        values: dict[str, Any] = {"left": quotas.c.left + loan.amount}
        with self._engine.begin() as connection:
            this = update(quotas).where(quotas.c.tenant == tenant)
            connection.execute(this.values(values))
            connection.execute(
                this.where(quotas.c.month == loan.month).values(spent=quotas.c.spent - loan.amount)
            )


def spend_budget(connection: Connection, tenant: str, amount: float, now: float) -> None:
    """Charge a job's work to its tenant's monthly budget, even if too little of it is left."""
    budgeted = select(tenants.c.name).where(tenants.c.name == tenant, tenants.c.monthly_budget.is_not(None))
    if connection.execute(budgeted).first() is None:
        return
    month, row = _month(now), _row(connection, tenant, now)
    spent = row.spent if row.month == month else 0.0
    connection.execute(
        update(quotas).where(quotas.c.tenant == tenant).values(month=month, spent=spent + amount)
    )


def _row(connection: Connection, tenant: str, now: float) -> Any:
    """Return a tenant's row, locked, and create it if there is none."""
    made = (postgresql if connection.dialect.name == "postgresql" else sqlite).insert(quotas)
    new = {"tenant": tenant, "left": 0.0, "at": None, "month": _month(now), "spent": 0.0}
    connection.execute(made.on_conflict_do_nothing(), new)
    return connection.execute(select(quotas).where(quotas.c.tenant == tenant).with_for_update()).one()


def _report(connection: Connection, tenant: str, month: str, limits: Limits, now: float) -> None:
    """Queue a webhook about the used-up monthly budget if the tenant has an address for it."""
    asked = select(tenants.c.budget_webhook).where(tenants.c.name == tenant)
    url = connection.execute(asked).scalar_one_or_none()
    if url is not None:
        data = {"tenant": tenant, "month": month, "monthly_budget": limits.monthly_budget}
        outbox.report(connection, tenant, url, EVENT, data, now)


def _month(now: float) -> str:
    return datetime.fromtimestamp(now, UTC).strftime("%Y-%m")


def _month_ends_in_s(now: float) -> float:
    at = datetime.fromtimestamp(now, UTC)
    following = at.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    year, month = (at.year + 1, 1) if at.month == 12 else (at.year, at.month + 1)
    return following.replace(year=year, month=month).timestamp() - now
