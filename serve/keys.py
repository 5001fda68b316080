"""API keys: kept as hashes in one file of the state folder, read again when the file changes.

A key is `sw_ID_SECRET`. Its id names its tenant and is no secret; of the secret, 32 random bytes, only the
SHA-256 of the whole key is kept. Whoever reads the file can use none of them.
"""

from __future__ import annotations

import fcntl
import hashlib
import hmac
import json
import os
import secrets
import time
from codecs import BOM_UTF8
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import ClassVar, Literal, get_args

from pydantic import TypeAdapter

Authentication = Literal["required", "off"]
Scope = Literal["generate", "jobs", "admin"]
SCOPES: tuple[Scope, ...] = get_args(Scope)
FILE = "keys.json"
CHECK_EVERY_S = 1.0
"""How long a revoked key may still be heard at most."""


@dataclass(frozen=True)
class Key:
    """`rate` and `burst` are in megapixel-steps, a second and at once; `concurrent` in requests."""

    __pydantic_config__: ClassVar[dict[str, str]] = {"extra": "forbid"}

    id: str
    name: str
    sha256: str
    scopes: tuple[Scope, ...]
    created_at: float
    revoked_at: float | None = None
    rate: float | None = None
    burst: float | None = None
    concurrent: int | None = None

    def may(self, scope: Scope) -> bool:
        return scope in self.scopes or "admin" in self.scopes


KEYS = TypeAdapter(tuple[Key, ...])


class KeyFile:
    """All of it raises OSError; a file that is not one of keys raises ValueError."""

    def __init__(self, state_folder: Path) -> None:
        self._path = state_folder / FILE
        self._checked_at = float("-inf")
        self._stamp: tuple[int, int, int] | None = None
        self._keys: dict[str, Key] = {}

    def find(self, offered: str, now: float) -> Key | None:
        """The key that was offered, if it is one and is not revoked. Takes as long for a wrong secret."""
        if now - self._checked_at >= CHECK_EVERY_S:
            self._checked_at = now
            self._read_if_changed()
        key = self._matching(offered)
        return key if key and key.revoked_at is None else None

    def was_revoked(self, offered: str) -> bool:
        """Say of a key that was not found whether it was one once. Only its holder learns it."""
        key = self._matching(offered)
        return key is not None and key.revoked_at is not None

    def _matching(self, offered: str) -> Key | None:
        parts = offered.split("_", 2)
        key = self._keys.get(parts[1]) if len(parts) == 3 else None
        known = key.sha256 if key else "0" * 64
        same = hmac.compare_digest(known, _digest(offered))
        return key if key and same else None

    def _read_if_changed(self) -> None:
        try:
            there = self._path.stat()
            stamp = (there.st_mtime_ns, there.st_size, there.st_ino)
        except FileNotFoundError:
            stamp = None
        if stamp != self._stamp:
            self._keys = {key.id: key for key in self.all()}
            self._stamp = stamp

    def all(self) -> tuple[Key, ...]:
        try:
            return KEYS.validate_json(self._path.read_bytes().removeprefix(BOM_UTF8))
        except FileNotFoundError:
            return ()

    def create(self, name: str, scopes: tuple[Scope, ...], **limits: float | int | None) -> tuple[Key, str]:
        """The key as it is kept, and the key itself, which is never seen again."""
        key_id = secrets.token_hex(4)
        whole = f"sw_{key_id}_{secrets.token_urlsafe(32)}"
        key = Key(key_id, name, _digest(whole), scopes, time.time(), **limits)  # type: ignore[arg-type]
        with self._locked():
            self._write((*self.all(), key))
        return key, whole

    def revoke(self, key_id: str) -> Key | None:
        """The key as it is kept from now on, or None where there is no such key."""
        with self._locked():
            keys = {key.id: key for key in self.all()}
            if key_id not in keys:
                return None
            keys[key_id] = replace(keys[key_id], revoked_at=keys[key_id].revoked_at or time.time())
            self._write(tuple(keys.values()))
            return keys[key_id]

    @contextmanager
    def _locked(self) -> Iterator[None]:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with self._path.with_suffix(".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def _write(self, keys: tuple[Key, ...]) -> None:
        beside = self._path.with_suffix(".new")
        beside.unlink(missing_ok=True)
        descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as file:
            json.dump([asdict(key) for key in keys], file, indent=1)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(self._path)


def _digest(whole: str) -> str:
    return hashlib.sha256(whole.encode("utf-8", "surrogateescape")).hexdigest()
