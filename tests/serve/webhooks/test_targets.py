"""The addresses that webhooks may be sent to."""

from __future__ import annotations

import httpx
import pytest

from serve.config.webhook_config import WebhookConfig
from serve.webhooks.lookups import Lookups
from serve.webhooks.targets import Forbidden, address_of, check_url

OPEN = WebhookConfig(allowed_hosts=("hooks.example.com", "*.team.example", "192.0.2.7"))
PRIVATE = OPEN.model_copy(update={"private_network": True})


async def look_up(host: str, port: int) -> list[str]:
    lookups = Lookups(1)
    try:
        return await lookups.addresses(host, port, "me")
    finally:
        lookups.close()


@pytest.mark.parametrize(
    "url",
    [
        "https://hooks.example.com",
        "https://HOOKS.example.com./done?a=1",
        "https://hooks.example.com:8443/done",
        "https://a.team.example/",
        "https://192.0.2.7/x",
    ],
)
def test_allowed(url: str) -> None:
    check_url(url, OPEN)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "hooks.example.com/done",
        "ftp://hooks.example.com/",
        "file:///etc/passwd",
        "http://hooks.example.com/",
        "https://other.example/",
        "https://hooks.example.com.evil.example/",
        "https://team.example/",
        "https://evil.example#@hooks.example.com/",
        "https://hooks.example.com@evil.example/",
        "https://user:secret@hooks.example.com/",
        "https://hooks.example.com/#part",
        "https://hooks.example.com:port/",
        "https://hooks.example.com:99999/",
        "https://[::1",
        "https:///done",
        "https://hooks.example.com/a b",
        "https://hooks.example.com/\n",
        "https://hooks.exämple.com/",
        "https://hooks.example.com/" + "x" * 2_000,
        "https://evil.example\\@hooks.example.com/",
        "https://a..team.example/",
        "https://.team.example/",
        "https://" + "a" * 64 + ".team.example/",
    ],
)
def test_refused(url: str) -> None:
    with pytest.raises(Forbidden):
        check_url(url, OPEN)


def test_nothing_is_allowed_by_default() -> None:
    with pytest.raises(Forbidden, match="names no host"):
        check_url("https://hooks.example.com/", WebhookConfig())


def test_every_host_at_once_cannot_be_allowed() -> None:
    with pytest.raises(ValueError, match="list the hosts"):
        WebhookConfig(allowed_hosts=("*",))


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "10.0.0.1",
        "192.168.1.1",
        "169.254.169.254",
        "100.64.0.1",
        "0.0.0.0",  # noqa: S104 (nothing listens)
        "224.0.0.1",
        "[::1]",
        "[fe80::1]",
        "[fc00::1]",
        "[::ffff:127.0.0.1]",
        "[64:ff9b::a9fe:a9fe]",
        "[2002:7f00:1::]",
        "localhost",
    ],
)
async def test_private_addresses_are_refused_unless_they_are_wanted(address: str) -> None:
    url = httpx.URL(f"https://{address}/")
    with pytest.raises(Forbidden, match="private network"):
        await address_of(url, OPEN, look_up)
    assert await address_of(url, PRIVATE, look_up)


@pytest.mark.parametrize("address", ["8.8.8.8", "[2606:4700::1111]"])
async def test_public_addresses_are_used(address: str) -> None:
    assert await address_of(httpx.URL(f"https://{address}/"), OPEN, look_up) == address.strip("[]")
