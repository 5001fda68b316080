"""The settings of webhooks: where this service may send them."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field, field_validator

from .host_names import checked_pattern


class WebhookConfig(BaseModel):
    """Settings of webhooks.

    `allowed_hosts` are names that webhooks may be sent to, such as hooks.example.com or *.example.com.
    Without any, a job with a webhook is refused. `private_network` also allows plain http, and names that
    resolve to addresses of this machine or of a private network.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    allowed_hosts: tuple[str, ...] = ()
    private_network: bool = False
    timeout_s: float = Field(15.0, gt=0, le=60)

    @field_validator("allowed_hosts")
    @classmethod
    def _hosts(cls, hosts: tuple[str, ...]) -> tuple[str, ...]:
        if "*" in hosts:
            raise ValueError("* would let callers choose where this service sends requests: list the hosts")
        return tuple(map(checked_pattern, hosts))
