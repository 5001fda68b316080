"""Serve kept results to their callers: keep, sign, read. Blocking work runs in threads.

A link is signed with a secret that all replicas share (HMAC-SHA-256 over the id, the format and the expiry),
so any of them can serve it, and an altered link costs no query.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from functools import cached_property, partial

from ..config.service_config import ServiceConfig
from ..http.error_responses import Refusal
from ..state.shared_secrets import SharedSecrets
from ..telemetry.logs import logger
from .in_thread import in_thread
from .kept_files import KeptFiles, full_in_words
from .picture_files import Damaged, name_of
from .result_store import KeptResult, ResultStore

FILE_NAME = re.compile(r"([0-9a-f]{32})\.(png|jpeg|webp)")
END = re.compile(r"[1-9][0-9]{0,11}")
ALTERED = "this link's signature is invalid"
EXPIRED = "this link has expired, or its picture is no longer kept"
NO_RESULT = "there is no such result"


class ResultService:
    """Kept results. The database opens at the first use; methods raise NotReady if that fails."""

    def __init__(self, config: ServiceConfig) -> None:
        self._config = config
        self._kept = KeptFiles(config)

    @cached_property
    def store(self) -> ResultStore:
        return ResultStore(self._kept.engine, self._config.results.max_kept)

    @cached_property
    def _secrets(self) -> SharedSecrets:
        return SharedSecrets(self.store.engine, "links")

    @property
    def base_url(self) -> str | None:
        """Return the address that links begin with, if the configuration names one."""
        return self._config.results.base_url

    async def check_room(self, owner: str, count: int, size: int) -> None:
        """Raise Refusal 507 if results could not be kept once painted. `size` is their expected bytes."""

        def check() -> None:
            self.store.check_room(owner, count, size, self._kept.budget())

        with full_in_words():
            await in_thread(check, "results")

    async def link(self, owner: str, data: bytes, wire_format: str) -> tuple[str, int]:
        """Keep a picture. Return the path and query of its link, and its expiry in seconds since 1970.

        Raises Refusal 507.
        """
        kept = await self.keep(owner, data, wire_format, self._config.results.link_ttl_s)
        end = int(kept.expires_at)
        signature = await in_thread(
            lambda: _signature(self._secrets.signing(), kept.id, kept.format, end), "links"
        )
        path = f"/v1/results/{kept.id}.{kept.format}"
        return f"{path}?expires={end}&signature={signature}", end

    async def keep(self, owner: str, data: bytes, wire_format: str, ttl_s: float) -> KeptResult:
        """Keep a result. It is on disk when this returns. Raises Refusal 507."""
        with full_in_words():
            return await in_thread(partial(self._keep, owner, data, wire_format, ttl_s), "results")

    async def linked(self, file_name: str, expires: str, signature: str) -> KeptResult:
        """Return the row of the result that a link leads to.

        Raises Refusal 404 for a malformed file name, 403 for an altered link, and 410 for an expired one.
        """
        found = FILE_NAME.fullmatch(file_name)
        if found is None:
            raise Refusal(404, "not_found", NO_RESULT)
        result_id, wire_format = found[1], found[2]
        end = int(expires) if END.fullmatch(expires) else 0
        offered = signature.encode("utf-8", "replace")
        for secret in await in_thread(self._secrets.verifying, "links"):
            if hmac.compare_digest(_signature(secret, result_id, wire_format, end).encode(), offered):
                break
        else:
            raise Refusal(403, "forbidden", ALTERED)
        return await self.find(result_id)

    async def find(self, result_id: str) -> KeptResult:
        """Return a result's row. Raises Refusal 410 if it has expired."""
        kept = await in_thread(lambda: self.store.find(result_id), "results")
        if kept is None:
            raise Refusal(410, "gone", EXPIRED)
        return kept

    async def read(self, kept: KeptResult) -> bytes:
        """Return a result's file. Raises Refusal 410 if it is damaged."""
        data = await in_thread(lambda: self._kept.intact(kept.name), "results")
        if isinstance(data, Damaged):
            logger.warning("a kept result is damaged: %s", data)
            raise Refusal(410, "gone", f"the kept picture was found {data.how}, and cannot be painted again")
        return data

    def _keep(self, owner: str, data: bytes, wire_format: str, ttl_s: float) -> KeptResult:
        name, size = name_of(data), len(data)
        return self._kept.put(
            data,
            lambda: self.store.begin(owner, name, size, self._kept.budget()),
            lambda token: self.store.keep(owner, name, wire_format, size, ttl_s, token),
        )


def _signature(secret: bytes, result_id: str, wire_format: str, end: int) -> str:
    signed = f"GET\n{result_id}.{wire_format}\n{end}".encode()
    digest = hmac.new(secret, signed, hashlib.sha256).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
