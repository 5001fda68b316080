"""Read the service's webhooks, which are signed as Standard Webhooks specifies."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from standardwebhooks import Webhook, WebhookVerificationError


class NotGenuine(Exception):
    """A request that the service did not sign, or signed more than five minutes ago."""


@dataclass(frozen=True)
class WebhookEvent:
    """One event, such as `story.ended`. It may arrive twice, with the same `id`."""

    id: str
    type: str
    data: dict[str, Any]


def read_webhook(body: bytes, headers: Mapping[str, str], secret: str) -> WebhookEvent:
    """Return the event of a request. `secret` is what `scenewright webhooks secret` prints.

    Raises NotGenuine.
    """
    webhook = Webhook(secret)
    try:
        event = webhook.verify(body, dict(headers))
    except (WebhookVerificationError, ValueError) as error:  # ValueError: an unreadable signature.
        raise NotGenuine("the webhook is not signed with this secret, or is too old") from error
    named = {name.lower(): value for name, value in headers.items()}
    return WebhookEvent(named["webhook-id"], str(event["type"]), dict(event["data"]))
