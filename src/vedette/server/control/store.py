"""The control state: tenants, API keys, saved views and small saved state, in a database that several processes share.

Calls block for as long as the database takes, so the server makes them in a thread; requests never wait for them (see
`identity`). Every change of a key or a tenant raises a revision in the same transaction, by which other processes
notice it (see `watch`).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final, Self

from sqlalchemy import delete, insert, select, update
from sqlalchemy.orm import Session

from vedette.errors import InvalidInput, NotFound
from vedette.server.control.alert_states import AlertStateStore
from vedette.server.control.database import available, connect, reading, shown, writing
from vedette.server.control.keys import KEY_PREFIX, SCOPES, KeyEntry, KeyTable, digest_key, key_id_of, mint_key
from vedette.server.control.log_levels import LogLevels
from vedette.server.control.models import ApiKeyRow, ApiKeyTenantRow, MetaRow, TenantRow
from vedette.server.control.registry import ServiceRegistry
from vedette.server.control.revision import REVISION_KEY, insert_of, raise_revision, revision_of
from vedette.server.control.schema import upgrade
from vedette.server.control.tenants import DEFAULT_TENANT, check_tenant_name
from vedette.server.control.views import SavedViews

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from sqlalchemy import Connection, Engine


__all__ = ["ApiKey", "Control", "NewKey", "Tenant", "open_control"]

_MAX_NAME_LENGTH: Final = 200
_TENANTS_PER_STATEMENT: Final = 1000


@dataclass(frozen=True, slots=True)
class Tenant:
    """A tenant and when it was first named by telemetry, by a key or by hand."""

    name: str
    first_seen: datetime


@dataclass(frozen=True, slots=True)
class ApiKey:
    """What is known of an API key. Its secret is not."""

    id: str
    name: str
    scopes: frozenset[str]
    """As granted; `admin` includes the others."""
    tenants: tuple[str, ...]
    """The tenants that it may act for; empty when `all_tenants`."""
    all_tenants: bool
    created: datetime
    expires: datetime | None
    revoked: datetime | None
    last_used: datetime | None
    """To about a minute; None before its first use."""

    @property
    def prefix(self) -> str:
        """The public beginning of the key, by which its holder recognises it."""
        return KEY_PREFIX + self.id

    def state(self, now: datetime) -> str:
        """Return `active`, `expired` or `revoked`, at `now`."""
        if self.revoked is not None:
            return "revoked"
        return "expired" if self.expires is not None and now >= self.expires else "active"


@dataclass(frozen=True, slots=True)
class NewKey:
    """A key just made. `secret` is the whole key, and this is the only time that it can be shown."""

    key: ApiKey
    secret: str

    def __repr__(self) -> str:
        return f"NewKey({self.key.prefix}…)"


def open_control(url: str) -> Control:
    """Open the control database and bring its schema up to date.

    Args:
        url: ``sqlite:////path/control.db`` (made if missing, readable by its owner only) or
            ``postgresql://user:password@host/database``.

    Raises:
        SettingsError: `url` is no such URL.
        StartError: the database is from a newer version, locked, unreadable or unreachable.
    """
    engine = connect(url)
    try:
        upgrade(engine)
    except BaseException:
        engine.dispose()
        raise
    return Control(engine)


class Control:
    """The control state, opened. Safe to use from several threads; every method raises `Unavailable` on a fault."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self.views = SavedViews(engine)
        self.registry = ServiceRegistry(engine)
        self.log_levels = LogLevels(engine)
        self.alert_states = AlertStateStore(engine)

    def __str__(self) -> str:
        return shown(self._engine)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close every connection. The object is of no use afterwards."""
        self._engine.dispose()

    # Keys

    def create_key(
        self,
        *,
        name: str,
        scopes: Iterable[str],
        tenants: Iterable[str] = (DEFAULT_TENANT,),
        all_tenants: bool = False,
        expires_in: timedelta | None = None,
    ) -> NewKey:
        """Make a key. A running server accepts it within about a second.

        Args:
            name: what it is for, shown in lists.
            scopes: of `ingest`, `read` and `admin`.
            tenants: the tenants that it may act for; ignored when `all_tenants`.
            all_tenants: whether it may act for every tenant, those to come included.
            expires_in: how long it is accepted; None is until it is revoked.

        Raises:
            InvalidInput: an unknown scope, a malformed tenant, none of either, or a duration that is not positive.
        """
        granted = frozenset(scopes)
        names = () if all_tenants else tuple(sorted({check_tenant_name(tenant) for tenant in tenants}))
        _check_key(name, granted, names, all_tenants=all_tenants, expires_in=expires_in)
        key_id, secret = mint_key()
        now = datetime.now(UTC)
        key = ApiKey(
            id=key_id,
            name=name,
            scopes=granted,
            tenants=names,
            all_tenants=all_tenants,
            created=now,
            expires=_expiry(now, expires_in),
            revoked=None,
            last_used=None,
        )
        with available(writing, self._engine) as connection:
            _add_tenants(connection, names, now)
            connection.execute(
                insert(ApiKeyRow).values(
                    id=key.id,
                    name=key.name,
                    scopes=key.scopes,
                    all_tenants=key.all_tenants,
                    secret_sha256=digest_key(secret.encode()),
                    created=key.created,
                    expires=key.expires,
                )
            )
            if names:
                connection.execute(insert(ApiKeyTenantRow), [{"key_id": key_id, "tenant": tenant} for tenant in names])
            raise_revision(connection)
        return NewKey(key, secret)

    def list_keys(self) -> list[ApiKey]:
        """Return every key, revoked and expired ones included, oldest first."""
        with available(reading, self._engine) as connection, Session(bind=connection) as session:
            rows = session.scalars(select(ApiKeyRow).order_by(ApiKeyRow.created, ApiKeyRow.id))
            return [_api_key(row) for row in rows]

    def revoke_key(self, key: str) -> ApiKey:
        """Revoke a key for good, given by its id, its prefix or whole; doing so again changes nothing.

        A running server refuses it within about a second.

        Raises:
            NotFound: there is no such key.
        """
        whole = key_id_of(key.encode("utf-8", "replace"))
        key_id = whole.decode("ascii", "replace") if whole else key.removeprefix(KEY_PREFIX)
        missing = NotFound(f"There is no API key {key_id[:40]!a}; `vedette key list --all` shows the ids of all.")
        if not (key_id.isalnum() and key_id.isascii()):
            raise missing
        with available(writing, self._engine) as connection:
            revoked = connection.execute(
                update(ApiKeyRow)
                .where(ApiKeyRow.id == key_id, ApiKeyRow.revoked.is_(None))
                .values(revoked=datetime.now(UTC))
            )
            if revoked.rowcount:
                raise_revision(connection)
            with Session(bind=connection) as session:
                row = session.get(ApiKeyRow, key_id)
                if row is None:
                    raise missing
                return _api_key(row)

    def admin_exists(self) -> bool:
        """Whether an administrator's key was made and not revoked; an expired one counts (see `KeyTable`)."""
        return self.key_table().admin_exists

    def record_use(self, used: Mapping[str, float]) -> None:
        """Note when keys were last used: Unix seconds by key id."""
        if not used:
            return
        with available(writing, self._engine) as connection:
            for key_id, seconds in used.items():
                when = datetime.fromtimestamp(seconds, UTC)
                newer = ApiKeyRow.last_used.is_(None) | (ApiKeyRow.last_used < when)
                connection.execute(update(ApiKeyRow).where(ApiKeyRow.id == key_id, newer).values(last_used=when))

    # What requests are judged by

    def revision(self) -> int:
        """Return a number that rises with every change of a key, a tenant or a log level: cheap to ask for often."""
        with available(reading, self._engine) as connection:
            return revision_of(connection)

    def key_table(self) -> KeyTable:
        """Return all keys and tenants, as an `Authenticator` needs them."""
        with available(reading, self._engine) as connection, Session(bind=connection) as session:
            revision = revision_of(connection)
            entries = tuple(_entry(row) for row in session.scalars(select(ApiKeyRow)))
            tenants = frozenset(session.scalars(select(TenantRow.name)))
            return KeyTable(entries, tenants, revision)

    # Tenants

    def list_tenants(self) -> list[Tenant]:
        """Return every tenant, by name."""
        with available(reading, self._engine) as connection:
            rows = connection.execute(select(TenantRow.name, TenantRow.first_seen).order_by(TenantRow.name))
            return [Tenant(name, first_seen) for name, first_seen in rows]

    def add_tenants(self, names: Iterable[str]) -> None:
        """Make the tenants that do not exist yet.

        Raises:
            InvalidInput: a name is malformed; none is made then.
        """
        wanted = sorted({check_tenant_name(name) for name in names})
        with available(writing, self._engine) as connection:
            if _add_tenants(connection, wanted, datetime.now(UTC)):
                raise_revision(connection)

    # Small saved state

    def get_meta(self, key: str) -> str | None:
        """Return the value saved under `key`, or None."""
        with available(reading, self._engine) as connection:
            return connection.scalar(select(MetaRow.value).where(MetaRow.key == key))

    def set_meta(self, key: str, value: str | None) -> None:
        """Save `value` under `key`; None forgets it."""
        if key == REVISION_KEY:
            raise InvalidInput("The key 'revision' is the control state's own; use another.")
        with available(writing, self._engine) as connection:
            _save(connection, key, value)


def _check_key(
    name: str, scopes: frozenset[str], tenants: tuple[str, ...], *, all_tenants: bool, expires_in: timedelta | None
) -> None:
    unknown = sorted(scopes.difference(SCOPES))
    if unknown:
        raise InvalidInput(f"There is no scope {unknown[0]!a}; the scopes are {', '.join(SCOPES)}.")
    if not scopes:
        raise InvalidInput(f"A key needs at least one scope of {', '.join(SCOPES)}.")
    if not tenants and not all_tenants:
        raise InvalidInput("A key needs at least one tenant, or all.")
    if len(name) > _MAX_NAME_LENGTH or not name.isprintable():
        raise InvalidInput(f"The name of a key has at most {_MAX_NAME_LENGTH} printable characters.")
    if expires_in is not None and expires_in <= timedelta(0):
        raise InvalidInput("A key must expire in the future.")


def _expiry(now: datetime, expires_in: timedelta | None) -> datetime | None:
    try:
        return None if expires_in is None else now + expires_in
    except OverflowError:
        raise InvalidInput("A key cannot expire after the year 9999; leave the expiry out instead.") from None


def _api_key(row: ApiKeyRow) -> ApiKey:
    return ApiKey(
        id=row.id,
        name=row.name,
        scopes=row.scopes,
        tenants=tuple(link.tenant for link in row.tenants),
        all_tenants=row.all_tenants,
        created=row.created,
        expires=row.expires,
        revoked=row.revoked,
        last_used=row.last_used,
    )


def _entry(row: ApiKeyRow) -> KeyEntry:
    return KeyEntry(
        id=row.id,
        digest=row.secret_sha256,
        scopes=row.scopes,
        tenants=frozenset(link.tenant for link in row.tenants),
        all_tenants=row.all_tenants,
        expires=row.expires.timestamp() if row.expires else None,
        revoked=row.revoked is not None,
    )


def _add_tenants(connection: Connection, names: Sequence[str], now: datetime) -> bool:
    """Insert the tenants that have no row, in their given order. Says whether there were any."""
    added = 0
    for start in range(0, len(names), _TENANTS_PER_STATEMENT):
        rows = [{"name": name, "first_seen": now} for name in names[start : start + _TENANTS_PER_STATEMENT]]
        statement = insert_of(connection, TenantRow).values(rows).on_conflict_do_nothing().returning(TenantRow.name)
        added += len(connection.execute(statement).all())
    return added > 0


def _save(connection: Connection, key: str, value: str | None) -> None:
    if value is None:
        connection.execute(delete(MetaRow).where(MetaRow.key == key))
        return
    row = insert_of(connection, MetaRow).values(key=key, value=value)
    connection.execute(row.on_conflict_do_update(index_elements=[MetaRow.key], set_={"value": value}))
