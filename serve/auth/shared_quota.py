"""A tenant's quota that holds across all edge replicas: each borrows from the one in the database.

A replica is lent a little more than a request needs, so that most requests wait for no database; what it does
not spend it gives back a second later. Where it dies, what it was lent is lost, and no more is ever spent
than was lent.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial

from sqlalchemy.exc import SQLAlchemyError

from deployments.errors import NotReady

from ..http.error_responses import Refusal
from ..telemetry.logs import logger
from .quota_store import Limits, Loan, OverQuota, QuotaStore
from .quotas import OverLimit, Quota

IDLE_S = 1.0
LEAST = 1e-6
"""Megapixel-steps that no picture is smaller than."""
FAULTS = (SQLAlchemyError, OSError, ValueError)


class SharedQuota(Quota):
    """The part of one tenant's quota that this replica holds. `store` is called in threads."""

    def __init__(
        self, tenant: str, limits: Limits, concurrent: int | None, store: Callable[[], QuotaStore]
    ) -> None:
        super().__init__(limits.rate, limits.burst, concurrent)
        self._tenant, self._limits, self._store = tenant, limits, store
        self._credit = 0.0
        self._month = ""
        self._borrowing = asyncio.Lock()
        self._idle: asyncio.TimerHandle | None = None
        self._used_at = 0.0
        self._returning: set[asyncio.Task[None]] = set()

    def is_new(self, now: float) -> bool:
        return not self._began and self._credit == 0.0 and not self._borrowing.locked()

    def at_once(self, amount: float) -> float:
        most = self._limits.monthly_budget
        return super().at_once(amount if most is None else min(amount, most))

    async def charge(self, amount: float, now: float) -> None:
        """Spend `amount`, in megapixel-steps, of what is lent here, or borrow more.

        Raises Refusal 429 and 422 as `spend` does, 429 also where the month's budget is used up, and NotReady
        where the database is away.
        """
        limits = self._limits
        if limits.rate is None and limits.monthly_budget is None:
            return
        self.refuse_impossible(amount)
        if limits.monthly_budget is not None and amount > limits.monthly_budget:
            message = (
                f"this takes {amount:.1f} megapixel-steps, and this key's tenant has a month's budget of"
            )
            raise Refusal(422, "invalid_request", f"{message} {limits.monthly_budget:g}")
        if self._credit < amount:
            async with self._borrowing:  # Those that wait for it have its piece too.
                if self._credit < amount:
                    await self._borrow(amount)
        self._credit = max(0.0, self._credit - amount)
        self._plan_return()

    async def check_budget(self) -> None:
        """Raise Refusal 429 where nothing is left of the month's budget, and NotReady."""
        if self._limits.monthly_budget is not None and self._credit == 0.0:
            async with self._borrowing:
                if self._credit == 0.0:
                    await self._borrow(LEAST)
            self._plan_return()

    async def _borrow(self, amount: float) -> None:
        """Borrow so much that there is the amount. Others may spend no credit of it meanwhile."""
        aside, self._credit = self._credit, 0.0
        try:
            loan = await self._lent(amount - aside)
        except BaseException:
            self._credit += aside
            raise
        self._credit += aside + loan.amount

    async def _lent(self, amount: float) -> Loan:
        asking = asyncio.ensure_future(
            asyncio.to_thread(lambda: self._store().borrow(self._tenant, amount, self._limits))
        )
        try:
            loan = await asyncio.shield(asking)
        except asyncio.CancelledError:
            asking.add_done_callback(self._keep)  # What is lent to a caller that has left is for the others.
            raise
        except OverQuota as over:
            raise self._refusal(over) from None
        except FAULTS as error:
            logger.warning("the quota of a tenant cannot be read: %s", type(error).__name__)
            raise NotReady("the quotas cannot be read at present", retry_after_s=5) from None
        self._month = loan.month
        return loan

    def _keep(self, asking: asyncio.Future[Loan]) -> None:
        if not asking.cancelled() and asking.exception() is None:
            self._credit += asking.result().amount
            self._plan_return()

    def _refusal(self, over: OverQuota) -> OverLimit:
        message = f"this key's quota allows it in {over.wait_s:.1f} s"
        if over.reason == "budget":
            budget = self._limits.monthly_budget
            message = (
                f"of this key's tenant's budget of {budget:g} megapixel-steps a month too little is left"
            )
        return OverLimit(message, over.wait_s, over.reason)

    def give_back(self, amount: float) -> None:
        """Return what was spent on work of which nothing was made."""
        if self._limits.rate is not None or self._limits.monthly_budget is not None:
            self._credit += amount
            self._plan_return()

    def _plan_return(self) -> None:
        """Give back what is lent here once nobody has spent of it for a while."""
        loop = asyncio.get_running_loop()
        self._used_at = loop.time()
        if self._idle is None and self._credit > 0.0:
            self._idle = loop.call_later(IDLE_S, self._return_if_idle)

    def _return_if_idle(self) -> None:
        loop, self._idle = asyncio.get_running_loop(), None
        left_s = self._used_at + IDLE_S - loop.time()
        if left_s > 0:
            self._idle = loop.call_later(left_s, self._return_if_idle)
            return
        loan, self._credit = Loan(self._credit, self._month), 0.0
        if loan.amount > 0.0:
            returning = asyncio.create_task(self._return(loan))
            self._returning.add(returning)
            returning.add_done_callback(self._returning.discard)

    async def _return(self, loan: Loan) -> None:
        try:
            await asyncio.to_thread(partial(self._give, loan))
        except FAULTS as error:
            self._credit += loan.amount  # It can be spent here until the database is back.
            self._plan_return()
            logger.warning("a tenant's quota was not given back: %s", type(error).__name__)

    def _give(self, loan: Loan) -> None:
        self._store().give_back(self._tenant, loan)
