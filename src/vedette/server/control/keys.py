"""API keys: their format, and what the server keeps of them.

A key is ``vdt_<id>_<secret>``: an 8-character public id by which it is found, listed and revoked, and 160 random bits
as 32 characters of base32 (RFC 4648, lower case). It is shown once. Only its SHA-256 is kept: the secret is random,
so a slow password hash would add cost to every request and nothing to its safety, and a leaked table of hashes
authenticates nobody.
"""

from __future__ import annotations

import base64
import hashlib
import secrets
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Literal, get_args

if TYPE_CHECKING:
    from collections.abc import Iterable

Scope = Literal["ingest", "read", "admin"]
"""What a key may do: send telemetry, ask for it, or manage the installation. `admin` includes the other two."""

SCOPES: Final[tuple[Scope, ...]] = get_args(Scope)

KEY_PREFIX: Final = "vdt_"
KEY_ID_LENGTH: Final = 8
SECRET_BITS: Final = 160
KEY_LENGTH: Final = len(KEY_PREFIX) + KEY_ID_LENGTH + 1 + SECRET_BITS // 5

_ID_START: Final = len(KEY_PREFIX)
_ID_END: Final = _ID_START + KEY_ID_LENGTH
_PREFIX_BYTES: Final = KEY_PREFIX.encode()


def mint_key() -> tuple[str, str]:
    """Make a key from the operating system's randomness. Returns its public id and the whole key."""
    key_id = _base32(secrets.token_bytes(KEY_ID_LENGTH * 5 // 8))
    return key_id, f"{KEY_PREFIX}{key_id}_{_base32(secrets.token_bytes(SECRET_BITS // 8))}"


def key_id_of(key: bytes) -> bytes | None:
    """Return the public id inside a presented key, or None when `key` does not have the shape of one."""
    if len(key) != KEY_LENGTH or not key.startswith(_PREFIX_BYTES) or key[_ID_END] != ord("_"):
        return None
    return key[_ID_START:_ID_END]


def digest_key(key: bytes) -> bytes:
    """Return what is stored of a key: the SHA-256 of all its characters (32 bytes)."""
    return hashlib.sha256(key).digest()


def effective_scopes(scopes: Iterable[str]) -> frozenset[str]:
    """Return what a key with these scopes may do: `admin` includes `ingest` and `read`."""
    granted = frozenset(scopes)
    return frozenset(SCOPES) if "admin" in granted else granted


def _base32(data: bytes) -> str:
    return base64.b32encode(data).decode("ascii").lower()


@dataclass(frozen=True, slots=True)
class KeyEntry:
    """One key as the server holds it in memory."""

    id: str
    digest: bytes
    """SHA-256 of the key."""
    scopes: frozenset[str]
    """As granted; see `effective_scopes`."""
    tenants: frozenset[str]
    """The tenants that it may act for; empty when `all_tenants`."""
    all_tenants: bool = False
    expires: float | None = None
    """Unix seconds from which on it is refused."""
    revoked: bool = False


@dataclass(frozen=True, slots=True)
class KeyTable:
    """Every key and tenant at one revision of the control database: the snapshot that requests are judged by."""

    entries: tuple[KeyEntry, ...] = ()
    tenants: frozenset[str] = field(default_factory=frozenset)
    """The tenants that have a row already."""
    revision: int = 0
    """Of the database, when this was read; it rises with every change."""

    @property
    def admin_exists(self) -> bool:
        """Whether an administrator's key was made and not revoked.

        An expired one counts: time passing must never open a server that was closed.
        """
        return any("admin" in entry.scopes and not entry.revoked for entry in self.entries)
