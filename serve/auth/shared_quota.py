"""A tenant's quota across all edge replicas: each replica borrows from the one in the database.

A replica borrows a little more than a request needs, so most requests do not wait for the database. It gives
back what it has not spent a second later. If it dies, its loan is lost, so no more is ever spent than was
lent.
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
"""Megapixel-steps, fewer than any picture takes."""
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
        """Spend `amount`, in megapixel-steps, from what this replica has borrowed, or borrow more.

        Raises Refusal 429 and 422 as `spend` does, 429 also if the monthly budget is used up, and NotReady
        if the database cannot be used.
        """
        limits = self._limits
        if limits.rate is None and limits.monthly_budget is None:
            return
        self.refuse_impossible(amount)
        if limits.monthly_budget is not None and amount > limits.monthly_budget:
            message = (
                f"this request needs {amount:.1f} megapixel-steps, but its tenant has a monthly budget of"
            )
            raise Refusal(422, "invalid_request", f"{message} {limits.monthly_budget:g}")
        if self._credit < amount:
            async with self._borrowing:  # Requests waiting here share its extra.
                if self._credit < amount:
                    await self._borrow(amount)
        self._credit = max(0.0, self._credit - amount)
        self._plan_return()

    async def check_budget(self) -> None:
        """Raise Refusal 429 if nothing is left of the monthly budget, and NotReady."""
        if self._limits.monthly_budget is not None and self._credit == 0.0:
            async with self._borrowing:
                if self._credit == 0.0:
                    await self._borrow(LEAST)
            self._plan_return()

    async def _borrow(self, amount: float) -> None:
        """Borrow enough for the credit to cover `amount`. Others cannot spend the credit meanwhile."""
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
            asking.add_done_callback(self._keep)  # A loan for a caller that has left serves others.
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
        message = f"this key's quota allows this request in {over.wait_s:.1f} s"
        if over.reason == "budget":
            budget = self._limits.monthly_budget
            message = f"too little is left of this tenant's monthly budget of {budget:g} megapixel-steps"
        return OverLimit(message, over.wait_s, over.reason)

    def give_back(self, amount: float) -> None:
        """Return what was spent on work that produced nothing."""
        if self._limits.rate is not None or self._limits.monthly_budget is not None:
            self._credit += amount
            self._plan_return()

    def _plan_return(self) -> None:
        """Schedule the return of what is left here, once nobody has spent any of it for a while."""
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
            logger.warning("a tenant's unused quota could not be returned: %s", type(error).__name__)

    def _give(self, loan: Loan) -> None:
        self._store().give_back(self._tenant, loan)
