"""Who is asking: API key and tenant of a request, decided from memory in about two microseconds.

The rules:

1. A presented key that is unknown, expired or revoked is refused, everywhere: also where no key would have been
   needed. An unknown id and a wrong secret get the same answer in the same time; only whoever holds the right secret
   learns that it expired or was revoked.
2. The tenant comes from the key. A key for one tenant acts for that tenant whatever the headers say.
3. `X-Scope-OrgID` or `X-Tenant-ID` chooses the tenant only where the key may act for several, and only among those;
   such a key must name one, since a guess would put data where nobody looks.
4. Without a key (`AuthMode`), the header chooses any tenant and its absence means `default`.
5. A header that occurs twice with different values is refused: whoever checked the request before might have read the
   other one.
"""

from __future__ import annotations

import hmac
import math
import secrets
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final, Literal, NoReturn, overload

from vedette.errors import Forbidden, InvalidInput, RequestError, TooManyRequests, Unauthenticated
from vedette.server.control.credentials import CONFLICTING, MISSING, presented_key
from vedette.server.control.failures import FailureLimit
from vedette.server.control.keys import (
    KEY_PREFIX,
    SCOPES,
    KeyEntry,
    KeyTable,
    Scope,
    digest_key,
    effective_scopes,
    key_id_of,
)
from vedette.server.control.tenants import DEFAULT_TENANT, check_tenant_name

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

__all__ = ["AuthMode", "Authenticator", "Identity", "check_tenant_name"]

AuthMode = Literal["auto", "required", "off"]
"""`required`: no request without a key. `off`: keys are optional. `auto`: required as soon as an admin key exists."""

UNKNOWN_KEY: Final = (
    "The API key is not known here. Check that it was copied whole, or create one with `vedette key create`."
)
CONFLICTING_TENANT: Final = "The request names two different tenants. Send one X-Scope-OrgID or X-Tenant-ID header."

_AUTHORIZATION: Final = 0
_API_KEY: Final = 1
_TENANT: Final = 2
_HEADERS: Final[Mapping[bytes, int]] = {
    b"authorization": _AUTHORIZATION,
    b"x-api-key": _API_KEY,
    b"api-key": _API_KEY,
    b"x-scope-orgid": _TENANT,
    b"x-tenant-id": _TENANT,
}
_METADATA: Final[Mapping[str, int]] = {name.decode(): kind for name, kind in _HEADERS.items()}

_REMEMBERED_TENANTS: Final = 1024
"""How many identities of tenants chosen by header are kept ready; past it they are made anew."""
_PENDING_TENANTS: Final = 10_000
"""How many unseen tenants wait for their row; the rest are noted when they come again."""
_SHOWN_NAMES: Final = 5
"""How many tenants an error message lists."""


@dataclass(frozen=True, slots=True)
class Identity:
    """The authenticated caller of one request.

    `tenant` is the one tenant that this request may write to or read from. `scopes` is what it may do (`ingest`,
    `read`, `admin`), implications included. `key_id` is the public id of its key, None without one. `tenants` are the
    tenants that the same key may act for in other requests, and `all_tenants` says that it may act for any.
    """

    tenant: str
    scopes: frozenset[str]
    key_id: str | None = None
    tenants: frozenset[str] = frozenset()
    all_tenants: bool = False

    def may_act_for(self, tenant: str) -> bool:
        """Whether this caller may name `tenant` in a request."""
        return self.all_tenants or tenant == self.tenant or tenant in self.tenants


@dataclass(slots=True)
class _Grant:
    """A key made ready for requests: identities are built once per key and tenant, not once per request."""

    entry: KeyEntry
    sole: Identity | None
    chosen: dict[bytes, Identity] = field(default_factory=dict)


class Authenticator:
    """Judges requests by a snapshot of the control database. It reads no file, sends no SQL and never waits.

    Belongs to one event loop; `replace` swaps the snapshot between requests. What requests reveal (keys used, tenants
    seen) is collected by `drain_used` and `unseen_tenants` and written elsewhere, off the path of a request.
    """

    def __init__(
        self,
        table: KeyTable,
        *,
        mode: AuthMode = "auto",
        failures: FailureLimit | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._mode: AuthMode = mode
        self._failures = FailureLimit() if failures is None else failures
        self._clock = clock
        self._used: dict[str, float] = {}
        self._unseen: set[str] = set()
        self._anonymous: dict[bytes, Identity] = {}
        # Compared against when no such id exists, so that the answer takes as long; nobody knows its preimage.
        self._nobody = _Grant(KeyEntry("", secrets.token_bytes(32), frozenset(), frozenset()), None)
        self.replace(table)

    @property
    def required(self) -> bool:
        """Whether a request without a key is refused."""
        return self._required

    def replace(self, table: KeyTable) -> None:
        """Judge by `table` from the next request on."""
        self._grants = {entry.id.encode(): _grant(entry) for entry in table.entries}
        self._tenants = table.tenants
        self._unseen -= table.tenants
        self._required = self._mode == "required" or (self._mode == "auto" and table.admin_exists)

    def identify(
        self,
        *,
        scope: Scope,
        authorization: str | bytes | None = None,
        api_key: str | bytes | None = None,
        tenant: str | bytes | None = None,
        client: str = "",
    ) -> Identity:
        """Return who sends a request that needs `scope`.

        Args:
            scope: what the request is about to do.
            authorization: the value of `Authorization`, if sent.
            api_key: the value of `X-API-Key` or `api-key`, if sent.
            tenant: the value of `X-Scope-OrgID` or `X-Tenant-ID`, if sent; empty counts as not sent.
            client: the peer's address, for the limit on wrong keys.

        Raises:
            Unauthenticated: no key where one is needed, or an unknown, expired or revoked one.
            Forbidden: the key lacks the scope, or names a tenant that it may not act for.
            InvalidInput: the tenant's name is malformed, or missing where the key acts for several.
            TooManyRequests: too many wrong keys from this address.
        """
        return self._judge(scope, _raw(authorization), _raw(api_key), _raw(tenant), client)

    def _judge(
        self, scope: Scope, authorization: bytes | None, api_key: bytes | None, tenant: bytes | None, client: str
    ) -> Identity:
        if authorization is None and api_key is None:
            if self._required:
                raise Unauthenticated(MISSING)
            identity = self._without_key(tenant or DEFAULT_TENANT.encode())
        else:
            grant = self._authenticate(authorization, api_key, client)
            identity = grant.sole or _choose(grant, tenant)
        if scope not in identity.scopes:
            raise Forbidden(
                f"The API key {KEY_PREFIX}{identity.key_id} lacks the scope {scope}; "
                f"it has {_listed(identity.scopes)}. Create one with `vedette key create --scope {scope}`.",
            )
        if scope == "ingest" and identity.tenant not in self._tenants and len(self._unseen) < _PENDING_TENANTS:
            self._unseen.add(identity.tenant)
        return identity

    def identify_headers(self, headers: Iterable[tuple[bytes, bytes]], *, scope: Scope, client: str = "") -> Identity:
        """Do `identify` for the headers of an ASGI request (names in lower case, as ASGI gives them)."""
        found: list[bytes | None] = [None, None, None]
        for name, value in headers:
            kind = _HEADERS.get(name)
            if kind is not None:
                self._keep(found, kind, value, client)
        return self._judge(scope, found[0], found[1], found[2], client)

    def identify_metadata(
        self, metadata: Iterable[tuple[str, str | bytes]], *, scope: Scope, client: str = ""
    ) -> Identity:
        """Do `identify` for the metadata of a gRPC call; `client` is the call's peer."""
        found: list[bytes | None] = [None, None, None]
        for name, value in metadata:
            kind = _METADATA.get(name)
            if kind is not None:
                self._keep(found, kind, _raw(value), client)
        return self._judge(scope, found[0], found[1], found[2], client)

    def drain_used(self) -> dict[str, float]:
        """Return the ids of the keys used since the last call, each with when (Unix seconds)."""
        used, self._used = self._used, {}
        return used

    def unseen_tenants(self) -> frozenset[str]:
        """Return the tenants that telemetry came for and that have no row yet; they are forgotten once they have."""
        return frozenset(self._unseen)

    def _keep(self, found: list[bytes | None], kind: int, value: bytes, client: str) -> None:
        before = found[kind]
        if before is not None and before != value:
            if kind == _TENANT:
                raise InvalidInput(CONFLICTING_TENANT)
            self._refuse(Unauthenticated(CONFLICTING), client)
        found[kind] = value

    def _authenticate(self, authorization: bytes | None, api_key: bytes | None, client: str) -> _Grant:
        try:
            key = presented_key(authorization, api_key)
        except Unauthenticated as error:
            self._refuse(error, client)
        grant = self._grants.get(key_id_of(key) or b"", self._nobody)
        if not hmac.compare_digest(digest_key(key), grant.entry.digest):
            self._refuse(Unauthenticated(UNKNOWN_KEY), client)
        entry = grant.entry
        now = self._clock()
        if entry.revoked:
            self._refuse(
                Unauthenticated(
                    f"The API key {KEY_PREFIX}{entry.id} was revoked. Create another with `vedette key create`."
                ),
                client,
            )
        if entry.expires is not None and now >= entry.expires:
            since = datetime.fromtimestamp(entry.expires, UTC).isoformat(timespec="seconds")
            self._refuse(
                Unauthenticated(
                    f"The API key {KEY_PREFIX}{entry.id} expired at {since}. Create another with `vedette key create`."
                ),
                client,
            )
        self._used[entry.id] = now
        return grant

    def _refuse(self, error: RequestError, client: str) -> NoReturn:
        wait = self._failures.record(client)
        if wait > 0:
            raise TooManyRequests(
                "Too many requests with a wrong API key came from this address. Correct the key, then send again.",
                retry_after_seconds=math.ceil(wait),
            ) from None
        raise error from None

    def _without_key(self, tenant: bytes) -> Identity:
        identity = self._anonymous.get(tenant)
        if identity is None:
            identity = Identity(check_tenant_name(_text(tenant)), frozenset(SCOPES), None, all_tenants=True)
            _remember(self._anonymous, tenant, identity)
        return identity


def _grant(entry: KeyEntry) -> _Grant:
    if entry.all_tenants or len(entry.tenants) != 1:
        return _Grant(entry, None)
    (tenant,) = entry.tenants
    return _Grant(entry, Identity(tenant, effective_scopes(entry.scopes), entry.id, entry.tenants))


def _choose(grant: _Grant, header: bytes | None) -> Identity:
    """Return the identity of a key for several tenants, for the one that the request names."""
    entry = grant.entry
    if not header:
        whose = "every tenant" if entry.all_tenants else f"several tenants ({_listed(entry.tenants)})"
        raise InvalidInput(f"This API key acts for {whose}. Name one with the X-Scope-OrgID header.")
    identity = grant.chosen.get(header)
    if identity is None:
        tenant = check_tenant_name(_text(header))
        if not entry.all_tenants and tenant not in entry.tenants:
            raise Forbidden(
                f"The API key {KEY_PREFIX}{entry.id} may not act for the tenant {tenant}; "
                f"it may for {_listed(entry.tenants)}.",
            )
        scopes = effective_scopes(entry.scopes)
        identity = Identity(tenant, scopes, entry.id, entry.tenants, entry.all_tenants)
        _remember(grant.chosen, header, identity)
    return identity


def _remember(identities: dict[bytes, Identity], header: bytes, identity: Identity) -> None:
    if len(identities) >= _REMEMBERED_TENANTS:
        identities.clear()
    identities[header] = identity


@overload
def _raw(header: str | bytes) -> bytes: ...
@overload
def _raw(header: None) -> None: ...
def _raw(header: str | bytes | None) -> bytes | None:
    return header.encode("utf-8", "surrogatepass") if isinstance(header, str) else header


def _text(header: bytes) -> str:
    return header.decode("utf-8", "backslashreplace").strip(" \t")


def _listed(names: Iterable[str]) -> str:
    ordered = sorted(names)
    more = f" and {len(ordered) - _SHOWN_NAMES} more" if len(ordered) > _SHOWN_NAMES else ""
    return (", ".join(ordered[:_SHOWN_NAMES]) or "none") + more
