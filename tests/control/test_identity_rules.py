"""Who a request is judged to come from: keys, tenants, scopes, expiry, and what cannot widen them."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

import pytest

from vedette.errors import Forbidden, InvalidInput, TooManyRequests, Unauthenticated
from vedette.server.control.failures import FailureLimit
from vedette.server.control.identity import Authenticator, AuthMode
from vedette.server.control.keys import KeyEntry, KeyTable, digest_key, mint_key

if TYPE_CHECKING:
    from vedette.server.control.identity import Identity
    from vedette.server.control.keys import Scope


def made(
    *scopes: str,
    tenants: tuple[str, ...] = ("acme",),
    all_tenants: bool = False,
    expires: float | None = None,
    revoked: bool = False,
) -> tuple[KeyEntry, str]:
    key_id, key = mint_key()
    entry = KeyEntry(
        key_id,
        digest_key(key.encode()),
        frozenset(scopes),
        frozenset(tenants),
        all_tenants,
        expires=expires,
        revoked=revoked,
    )
    return entry, key


def authenticator(*entries: KeyEntry, mode: AuthMode = "auto", now: float = 1000.0) -> Authenticator:
    return Authenticator(KeyTable(entries), mode=mode, clock=lambda: now)


def bearer(key: str) -> bytes:
    return b"Bearer " + key.encode()


def basic(user: str, password: str) -> bytes:
    return b"Basic " + base64.b64encode(f"{user}:{password}".encode())


def ask(
    judge: Authenticator,
    key: str | None = None,
    tenant: bytes | None = None,
    scope: Scope = "ingest",
    client: str = "192.0.2.1",
) -> Identity:
    return judge.identify(scope=scope, authorization=None if key is None else bearer(key), tenant=tenant, client=client)


# How a key may be presented


@pytest.mark.parametrize(
    "headers",
    [
        lambda key: [(b"authorization", bearer(key))],
        lambda key: [(b"authorization", b"bearer   " + key.encode() + b" ")],
        lambda key: [(b"x-api-key", key.encode())],
        lambda key: [(b"api-key", key.encode())],
        lambda key: [(b"authorization", basic("anyone", key))],
        lambda key: [(b"authorization", basic("", key))],
        lambda key: [(b"authorization", b"ApiKey " + key.encode())],
        lambda key: [(b"authorization", b"ApiKey " + base64.b64encode(b"id:" + key.encode()))],
        lambda key: [(b"authorization", bearer(key)), (b"x-api-key", key.encode())],
        lambda key: [(b"x-api-key", key.encode()), (b"api-key", key.encode())],
    ],
)
def test_every_customary_way_to_present_a_key_names_its_tenant(headers: object) -> None:
    entry, key = made("ingest")
    assert callable(headers)
    identity = authenticator(entry).identify_headers([(b"host", b"x"), *headers(key)], scope="ingest")
    assert (identity.tenant, identity.key_id, identity.scopes) == ("acme", entry.id, frozenset({"ingest"}))


def test_grpc_metadata_is_read_like_headers() -> None:
    entry, key = made("ingest", tenants=("acme", "globex"))
    metadata: list[tuple[str, str | bytes]] = [
        ("user-agent", "grpc"),
        ("authorization", f"Bearer {key}"),
        ("x-scope-orgid", "globex"),
        ("trace-bin", b"\xff"),
    ]
    assert authenticator(entry).identify_metadata(metadata, scope="ingest").tenant == "globex"


def test_two_different_keys_in_one_request_are_refused() -> None:
    (one, first), (two, second) = made("ingest"), made("ingest", tenants=("globex",))
    judge = authenticator(one, two)
    for headers in (
        [(b"authorization", bearer(first)), (b"x-api-key", second.encode())],
        [(b"x-api-key", first.encode()), (b"api-key", second.encode())],
        [(b"authorization", bearer(first)), (b"authorization", bearer(second))],
    ):
        with pytest.raises(Unauthenticated, match="two different API keys"):
            judge.identify_headers(headers, scope="ingest")


# Keys that are not accepted


@pytest.mark.parametrize("mode", ["auto", "required", "off"])
def test_an_unknown_key_is_refused_also_where_none_is_needed(mode: AuthMode) -> None:
    _, stranger = made("admin")
    entry, _ = made("ingest")
    with pytest.raises(Unauthenticated, match="not known here"):
        ask(authenticator(entry, mode=mode), stranger)


def test_an_unknown_id_and_a_wrong_secret_get_the_same_answer() -> None:
    entry, key = made("ingest")
    judge = authenticator(entry)
    answers = set()
    for wrong in (
        made("ingest")[1],
        key[:-1] + ("a" if key[-1] != "a" else "b"),
        key + "a",
        key.upper(),
        "",
        "vdt_",
        "x",
    ):
        with pytest.raises(Unauthenticated) as refused:
            ask(judge, wrong)
        answers.add(str(refused.value))
    assert len(answers) == 1


def test_a_leaked_table_of_hashes_authenticates_nobody() -> None:
    entry, _ = made("admin")
    judge = authenticator(entry)
    digest = entry.digest
    base32 = base64.b32encode(digest[:20]).decode().lower()
    for forged in (
        digest.hex(),
        f"vdt_{entry.id}_{digest.hex()}",
        f"vdt_{entry.id}_{base32}",
        f"vdt_{entry.id}_{digest.hex()[:32]}",
    ):
        with pytest.raises(Unauthenticated):
            ask(judge, forged)
    with pytest.raises(Unauthenticated):
        judge.identify(scope="read", authorization=b"Bearer " + digest)


def test_a_key_is_refused_from_its_expiry_on() -> None:
    entry, key = made("ingest", expires=1000.0)
    assert ask(authenticator(entry, now=999.9), key).tenant == "acme"
    for mode in ("auto", "off"):
        with pytest.raises(Unauthenticated, match="expired at 1970-01-01T00:16:40"):
            ask(authenticator(entry, mode=mode, now=1000.0), key)


def test_a_revoked_key_is_refused_in_every_mode() -> None:
    entry, key = made("admin", revoked=True)
    for mode in ("auto", "required", "off"):
        with pytest.raises(Unauthenticated, match="revoked"):
            ask(authenticator(entry, mode=mode), key)


def test_a_new_table_counts_from_the_next_request_on() -> None:
    entry, key = made("ingest")
    judge = authenticator(entry)
    assert ask(judge, key).tenant == "acme"
    judge.replace(KeyTable())
    with pytest.raises(Unauthenticated):
        ask(judge, key)


# Scopes


@pytest.mark.parametrize(
    ("granted", "allowed"),
    [
        (("ingest",), {"ingest"}),
        (("read",), {"read"}),
        (("ingest", "read"), {"ingest", "read"}),
        (("admin",), {"ingest", "read", "admin"}),
    ],
)
def test_a_key_may_do_what_its_scopes_say_and_nothing_else(granted: tuple[str, ...], allowed: set[str]) -> None:
    entry, key = made(*granted)
    judge = authenticator(entry)
    scopes: tuple[Scope, ...] = ("ingest", "read", "admin")
    for scope in scopes:
        if scope in allowed:
            assert ask(judge, key, scope=scope).scopes == allowed
        else:
            with pytest.raises(Forbidden, match=f"lacks the scope {scope}"):
                ask(judge, key, scope=scope)


# Tenants


@pytest.mark.parametrize("header", [b"globex", b"acme|globex", b"../../x", b"", b"\xff\x00"])
def test_a_header_cannot_move_a_key_for_one_tenant(header: bytes) -> None:
    entry, key = made("admin")
    identity = ask(authenticator(entry), key, tenant=header)
    assert identity.tenant == "acme"
    assert not identity.may_act_for("globex")


def test_a_key_for_several_tenants_acts_for_the_one_that_the_header_names() -> None:
    entry, key = made("ingest", tenants=("acme", "globex"))
    judge = authenticator(entry)
    for tenant in (b"acme", b"globex", b"acme"):
        identity = ask(judge, key, tenant=tenant)
        assert identity.tenant == tenant.decode()
        assert identity.may_act_for("acme")
        assert identity.may_act_for("globex")
        assert not identity.may_act_for("initech")


@pytest.mark.parametrize("header", [b"initech", b"Acme", b"default"])
def test_a_header_cannot_widen_a_key_for_several_tenants(header: bytes) -> None:
    entry, key = made("admin", tenants=("acme", "globex"))
    judge = authenticator(entry)
    for _ in range(2):
        with pytest.raises(Forbidden, match="may not act for the tenant"):
            ask(judge, key, tenant=header)


@pytest.mark.parametrize("header", [None, b""])
def test_a_key_for_several_tenants_must_name_one(header: bytes | None) -> None:
    several, first = made("ingest", tenants=("acme", "globex"))
    every, second = made("ingest", tenants=(), all_tenants=True)
    judge = authenticator(several, every)
    with pytest.raises(
        InvalidInput, match=r"several tenants \(acme, globex\)\. Name one with the X-Scope-OrgID header"
    ):
        ask(judge, first, tenant=header)
    with pytest.raises(InvalidInput, match="every tenant"):
        ask(judge, second, tenant=header)


def test_a_key_for_all_tenants_acts_for_any() -> None:
    entry, key = made("read", tenants=(), all_tenants=True)
    identity = ask(authenticator(entry), key, tenant=b"initech", scope="read")
    assert (identity.tenant, identity.all_tenants) == ("initech", True)


def test_a_key_without_tenants_acts_for_none() -> None:
    entry, key = made("admin", tenants=())
    with pytest.raises(Forbidden):
        ask(authenticator(entry), key, tenant=b"acme")


@pytest.mark.parametrize("header", [b"a|b", b"a b", b"..", b".", b"a/b", b"x" * 65, b"\xff", "é".encode(), b"a\x00"])
def test_a_malformed_tenant_is_named_in_the_answer(header: bytes) -> None:
    entry, key = made("ingest", tenants=(), all_tenants=True)
    with pytest.raises(InvalidInput, match="tenant name") as refused:
        ask(authenticator(entry), key, tenant=header)
    assert str(refused.value).isascii() or "…" in str(refused.value)
    with pytest.raises(InvalidInput, match="tenant name"):
        ask(authenticator(), tenant=header)


def test_a_key_in_the_place_of_a_tenant_neither_becomes_one_nor_is_repeated() -> None:
    entry, key = made("ingest", tenants=(), all_tenants=True)
    for judge, presented in ((authenticator(entry), key), (authenticator(), None)):
        with pytest.raises(InvalidInput, match="holds an API key") as refused:
            ask(judge, presented, tenant=key.encode())
        assert key[13:] not in str(refused.value)


def test_a_request_that_names_two_tenants_is_refused() -> None:
    with pytest.raises(InvalidInput, match="two different tenants"):
        authenticator().identify_headers([(b"x-scope-orgid", b"a"), (b"x-tenant-id", b"b")], scope="read")
    same = [(b"x-scope-orgid", b"a"), (b"x-tenant-id", b"a")]
    assert authenticator().identify_headers(same, scope="read").tenant == "a"


# Without a key


def test_without_keys_the_header_chooses_the_tenant_and_its_absence_means_default() -> None:
    judge = authenticator()
    assert ask(judge).tenant == "default"
    assert ask(judge, tenant=b"").tenant == "default"
    identity = ask(judge, tenant=b"acme", scope="admin")
    assert (identity.tenant, identity.key_id, identity.scopes) == ("acme", None, frozenset({"ingest", "read", "admin"}))


@pytest.mark.parametrize(
    ("entry", "required"),
    [
        (made("ingest", "read")[0], False),
        (made("admin")[0], True),
        (made("admin", expires=1.0)[0], True),  # time passing must not open a server
        (made("admin", revoked=True)[0], False),
    ],
)
def test_auto_demands_keys_as_soon_as_an_unrevoked_admin_key_exists(entry: KeyEntry, *, required: bool) -> None:
    judge = authenticator(entry)
    assert judge.required is required
    if required:
        with pytest.raises(Unauthenticated, match="An API key is needed"):
            ask(judge)
    else:
        assert ask(judge).tenant == "default"


def test_required_and_off_do_not_depend_on_keys() -> None:
    entry, _ = made("admin")
    assert authenticator(mode="required").required
    assert not authenticator(entry, mode="off").required
    with pytest.raises(Unauthenticated):
        ask(authenticator(mode="required"), tenant=b"acme")


# Wrong guesses


def test_wrong_keys_are_slowed_per_address_and_right_ones_pass() -> None:
    entry, key = made("ingest")
    now = [0.0]
    limit = FailureLimit(burst=3, per_seconds=30.0, clock=lambda: now[0])
    judge = Authenticator(KeyTable((entry,)), failures=limit)
    for _ in range(3):
        with pytest.raises(Unauthenticated):
            ask(judge, "wrong")
    with pytest.raises(TooManyRequests) as slowed:
        ask(judge, "wrong")
    assert slowed.value.retry_after_seconds == 10
    assert ask(judge, key).tenant == "acme"
    with pytest.raises(Unauthenticated):
        ask(judge, "wrong", client="192.0.2.2")
    now[0] += 10
    with pytest.raises(Unauthenticated):
        ask(judge, "wrong")
    with pytest.raises(TooManyRequests):
        ask(judge, "wrong")


def test_a_missing_key_is_no_guess() -> None:
    judge = Authenticator(KeyTable(), mode="required", failures=FailureLimit(burst=1))
    for _ in range(5):
        with pytest.raises(Unauthenticated):
            ask(judge)


# What requests reveal


def test_used_keys_and_unseen_tenants_are_collected() -> None:
    entry, key = made("ingest", tenants=("acme", "globex"))
    judge = Authenticator(KeyTable((entry,), frozenset({"acme"})), clock=lambda: 1234.5)
    ask(judge, key, tenant=b"acme")
    ask(judge, key, tenant=b"globex")
    assert judge.drain_used() == {entry.id: 1234.5}
    assert judge.drain_used() == {}
    assert judge.unseen_tenants() == {"globex"}
    judge.replace(KeyTable((entry,), frozenset({"acme", "globex"})))
    assert judge.unseen_tenants() == frozenset()


def test_asking_makes_no_tenant() -> None:
    judge = authenticator()
    ask(judge, tenant=b"typo", scope="read")
    assert judge.unseen_tenants() == frozenset()


def test_made_up_tenants_cannot_fill_the_memory() -> None:
    judge = authenticator()
    for number in range(12_000):
        assert ask(judge, tenant=b"t%d" % number).tenant == f"t{number}"
    assert len(judge.unseen_tenants()) <= 10_000
    assert len(judge._anonymous) <= 1024
