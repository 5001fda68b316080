"""GET /v1/usage: the usage of the key's tenant, by day and key."""

from __future__ import annotations

from datetime import date
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse
from sqlalchemy import Engine

from deployments.errors import InvalidRequest

from ..api.usage_answer import LONGEST_DAYS, UsageAnswer, UsageDay, UsageQuery, UsedBody
from ..auth.middleware import key_of, tenant_of
from ..config.service_config import ServiceConfig
from ..graph.bill import Used
from ..http.body import parse
from ..http.error_responses import Refusal
from ..openapi.fragments import describe_query
from ..usage import usage_store
from ..usage.recorder import UsageRecorder

HOUR_S = 3_600.0


def usage_routes(config: ServiceConfig, recorder: UsageRecorder) -> APIRouter:
    router = APIRouter()
    price = config.price_per_device_hour

    @router.get("/v1/usage", response_model=UsageAnswer, openapi_extra=describe_query(UsageQuery))
    async def look_at_usage(request: Request) -> Response:
        """Return pictures, device seconds, megapixel-steps and cost, by day and key.

        A request counts at most a second after its response, and a job's scene together with its picture.
        """
        asked = parse(dict(request.query_params), UsageQuery)
        owner, after = _whose(request, asked.tenant), _place(asked.after)

        def read(engine: Engine) -> UsageAnswer:
            today = usage_store.today(engine)
            until = asked.until or today
            since = asked.since or until.replace(day=1)
            if not 0 <= (until - since).days < LONGEST_DAYS:
                message = f"since must not be after until, and the period at most {LONGEST_DAYS} days long"
                raise InvalidRequest(message, "since")
            found = usage_store.listed(engine, owner, since, until, asked.key, asked.limit + 1, after)
            rows = found[: asked.limit]
            data = [UsageDay(day=row.day, key=row.key, **_body(row.used, price)) for row in rows]
            following = f"{rows[-1].day.isoformat()}.{rows[-1].key}" if len(found) > len(rows) else None
            whole = UsedBody(**_body(usage_store.total(engine, owner, since, until, asked.key), price))
            return UsageAnswer(since=since, until=until, data=data, total=whole, next=following)

        response = await recorder.read(read)
        return JSONResponse(response.model_dump(mode="json", exclude_none=True))

    return router


def _whose(request: Request, tenant: str | None) -> str:
    """Return the tenant whose usage is requested. Raises Refusal 403."""
    own, key = tenant_of(request), key_of(request)
    if tenant is None or tenant == own:
        return own
    if key is None or "admin" not in key.scopes:
        raise Refusal(403, "forbidden", "only an admin's key may see another tenant's usage", "tenant")
    return tenant


def _place(after: str | None) -> tuple[date, str] | None:
    if after is None:
        return None
    day, dot, key = after.partition(".")
    try:
        if not dot:
            raise ValueError
        return date.fromisoformat(day), key
    except ValueError:
        raise InvalidRequest("after must be the `next` of an earlier page", "after") from None


def _body(used: Used, price: float | None) -> dict[str, Any]:
    took = used.took
    return {
        "pictures": used.pictures,
        "device_s": round(took.device_s, 6),
        "megapixel_steps": round(took.megapixel_steps, 6),
        "cost": None if price is None else round(took.device_s / HOUR_S * price, 6),
    }
