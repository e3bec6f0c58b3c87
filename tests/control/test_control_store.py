"""Keys, tenants and saved state on SQLite and on PostgreSQL: one behaviour."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from vedette.errors import InvalidInput, NotFound, Unauthenticated, Unavailable
from vedette.server.control.database import available, writing
from vedette.server.control.identity import Authenticator

if TYPE_CHECKING:
    from collections.abc import Callable

    from throwaway_postgresql import Cluster

    from vedette.server.control.store import Control


def test_a_key_is_kept_with_everything_but_its_secret(opened: Callable[[], Control]) -> None:
    new = opened().create_key(
        name="collector", scopes=["ingest", "read"], tenants=["b", "a"], expires_in=timedelta(days=90)
    )
    (kept,) = opened().list_keys()
    assert kept == new.key
    assert kept.tenants == ("a", "b")
    assert kept.expires == kept.created + timedelta(days=90)
    assert new.secret.startswith(kept.prefix + "_")
    assert new.secret not in repr(new)
    assert new.secret[13:] not in repr(opened().key_table())


def test_a_key_made_by_one_process_authenticates_in_another(opened: Callable[[], Control]) -> None:
    new = opened().create_key(name="", scopes=["ingest"], tenants=["acme"])
    identity = Authenticator(opened().key_table()).identify(scope="ingest", api_key=new.secret)
    assert (identity.tenant, identity.key_id) == ("acme", new.key.id)


def test_an_expiry_survives_the_database_to_the_second(control: Control) -> None:
    new = control.create_key(name="", scopes=["ingest"], expires_in=timedelta(hours=1))
    assert new.key.expires is not None
    end = new.key.expires.timestamp()
    table = control.key_table()
    before = Authenticator(table, clock=lambda: end - 1)
    assert before.identify(scope="ingest", api_key=new.secret).key_id == new.key.id
    with pytest.raises(Unauthenticated, match="expired"):
        Authenticator(table, clock=lambda: end).identify(scope="ingest", api_key=new.secret)


@pytest.mark.parametrize("spelling", ["id", "prefix", "whole"])
def test_a_key_is_revoked_by_its_id_its_prefix_or_whole(control: Control, spelling: str) -> None:
    new, other = (control.create_key(name=name, scopes=["admin"]) for name in ("one", "two"))
    given = {"id": new.key.id, "prefix": new.key.prefix, "whole": new.secret}[spelling]
    revoked = control.revoke_key(given)
    assert revoked.id == new.key.id
    assert revoked.revoked is not None
    assert control.revoke_key(given) == revoked
    judge = Authenticator(control.key_table())
    with pytest.raises(Unauthenticated, match="revoked"):
        judge.identify(scope="read", api_key=new.secret)
    assert judge.identify(scope="read", api_key=other.secret).key_id == other.key.id


@pytest.mark.parametrize("given", ["", "vdt_", "nobody", "x" * 1000, "é\x00'; --", "vdt_aaaaaaaa_" + "a" * 32])
def test_revoking_an_unknown_key_says_so(control: Control, given: str) -> None:
    with pytest.raises(NotFound, match="There is no API key"):
        control.revoke_key(given)


def test_admin_exists_until_the_last_admin_key_is_revoked(control: Control) -> None:
    control.create_key(name="", scopes=["ingest", "read"])
    assert not control.admin_exists()
    keys = [control.create_key(name="", scopes=["admin"]).key for _ in range(2)]
    control.revoke_key(keys[0].id)
    assert control.admin_exists()
    control.revoke_key(keys[1].id)
    assert not control.admin_exists()


def test_a_key_that_makes_no_sense_is_refused_and_not_kept(control: Control) -> None:
    with pytest.raises(InvalidInput, match="There is no scope 'write'"):
        control.create_key(name="", scopes=["write"])
    with pytest.raises(InvalidInput, match="at least one scope"):
        control.create_key(name="", scopes=[])
    with pytest.raises(InvalidInput, match="at least one tenant"):
        control.create_key(name="", scopes=["read"], tenants=[])
    with pytest.raises(InvalidInput, match="tenant name"):
        control.create_key(name="", scopes=["read"], tenants=["a b"])
    with pytest.raises(InvalidInput, match="in the future"):
        control.create_key(name="", scopes=["read"], expires_in=timedelta(0))
    with pytest.raises(InvalidInput, match="year 9999"):
        control.create_key(name="", scopes=["read"], expires_in=timedelta(days=9_999_999))
    for name in ("a\nb", "\x1b[31m", "x" * 201):
        with pytest.raises(InvalidInput, match="printable"):
            control.create_key(name=name, scopes=["read"])
    assert control.list_keys() == []
    assert control.revision() == 0


def test_tenants_are_made_once_and_listed_by_name(opened: Callable[[], Control]) -> None:
    control = opened()
    control.add_tenants(["globex", "acme"])
    first_seen = {tenant.name: tenant.first_seen for tenant in control.list_tenants()}
    revision = control.revision()
    opened().add_tenants(["acme"])
    assert control.revision() == revision
    control.create_key(name="", scopes=["read"], tenants=["acme", "initech"])
    assert [tenant.name for tenant in control.list_tenants()] == ["acme", "globex", "initech"]
    assert {t.name: t.first_seen for t in control.list_tenants()}.items() >= first_seen.items()
    assert control.key_table().tenants == {"acme", "globex", "initech"}


def test_thousands_of_tenants_come_in_at_once(control: Control) -> None:
    control.add_tenants(f"t{number}" for number in range(2500))
    assert len(control.list_tenants()) == 2500


def test_one_malformed_tenant_makes_none(control: Control) -> None:
    with pytest.raises(InvalidInput):
        control.add_tenants(["fine", "not fine"])
    assert control.list_tenants() == []


def test_every_change_raises_the_revision(control: Control) -> None:
    seen = [control.revision()]
    new = control.create_key(name="", scopes=["read"])
    seen.append(control.revision())
    control.revoke_key(new.key.id)
    seen.append(control.revision())
    control.add_tenants(["acme"])
    seen.append(control.key_table().revision)
    assert seen == sorted(set(seen))
    control.set_meta("other", "1")
    control.revoke_key(new.key.id)
    assert control.revision() == seen[-1]


def test_processes_that_write_at_once_lose_nothing(opened: Callable[[], Control]) -> None:
    controls = [opened() for _ in range(4)]

    def write(control: Control) -> list[str]:
        made = [control.create_key(name="", scopes=["ingest"], tenants=["acme", f"t{n}"]).key.id for n in range(10)]
        control.revoke_key(made[0])
        return made

    with ThreadPoolExecutor(4) as threads:
        made = [key for keys in threads.map(write, controls) for key in keys]
    listed = controls[0].list_keys()
    assert {key.id for key in listed} == set(made)
    assert sum(key.revoked is not None for key in listed) == 4
    assert controls[0].revision() == 44
    assert len(controls[0].list_tenants()) == 11


def test_last_use_is_kept_and_never_goes_back(control: Control) -> None:
    key = control.create_key(name="", scopes=["ingest"]).key
    control.record_use({key.id: 2_000_000_000.0, "gone": 5.0})
    control.record_use({key.id: 1_000_000_000.0})
    control.record_use({})
    assert control.list_keys()[0].last_used == datetime.fromtimestamp(2_000_000_000, UTC)


def test_small_state_is_saved_replaced_and_forgotten(opened: Callable[[], Control]) -> None:
    one, other = opened(), opened()
    assert one.get_meta("installation") is None
    one.set_meta("installation", "a")
    other.set_meta("installation", "b")
    assert one.get_meta("installation") == "b"
    one.set_meta("installation", None)
    assert other.get_meta("installation") is None
    with pytest.raises(InvalidInput):
        one.set_meta("revision", "9")


def test_a_foreign_key_without_its_tenant_is_impossible(control: Control) -> None:
    with pytest.raises(Unavailable, match=r"(?i)foreign key"), available(writing, control._engine) as connection:
        connection.exec_driver_sql("INSERT INTO api_key_tenants (key_id, tenant) VALUES ('nokey', 'notenant')")


def test_a_database_that_goes_away_is_unavailable_and_is_used_again_when_back(
    cluster: Cluster, postgresql_url: str
) -> None:
    from vedette.server.control.store import open_control  # noqa: PLC0415 - the fixtures open it otherwise

    name = postgresql_url.partition("@/")[2].partition("?")[0]
    with open_control(postgresql_url) as control:
        control.set_meta("a", "1")
        cluster.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
        cluster.execute(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'")
        with pytest.raises(Unavailable, match="does not answer"):
            control.get_meta("a")
        cluster.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")
        assert control.get_meta("a") == "1"
