"""Whatever bytes a client sends, the answer is an identity or a clean refusal that repeats nothing secret."""

from __future__ import annotations

import base64
import re
from typing import TYPE_CHECKING, TypeVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vedette.errors import Forbidden, InvalidInput, RequestError, Unauthenticated
from vedette.server.control.credentials import CONFLICTING, MISSING, UNREADABLE, presented_key
from vedette.server.control.failures import FailureLimit, network_of
from vedette.server.control.identity import UNKNOWN_KEY, Authenticator, Identity
from vedette.server.control.keys import KeyEntry, KeyTable, digest_key, key_id_of, mint_key
from vedette.server.control.tenants import check_tenant_name

if TYPE_CHECKING:
    from collections.abc import Callable

Answer = TypeVar("Answer")

KEY_ID, KEY = mint_key()
SEVERAL_ID, SEVERAL = mint_key()
TABLE = KeyTable(
    (
        KeyEntry(KEY_ID, digest_key(KEY.encode()), frozenset({"ingest"}), frozenset({"acme"})),
        KeyEntry(SEVERAL_ID, digest_key(SEVERAL.encode()), frozenset({"ingest"}), frozenset({"acme", "globex"})),
    )
)

parts = st.sampled_from(
    [
        b"Bearer ",
        b"Basic ",
        b"ApiKey ",
        b"Digest ",
        b" ",
        b"\t",
        b":",
        b"vdt_",
        b"_",
        b"=",
        KEY.encode(),
        SEVERAL.encode(),
        b"acme",
    ]
)
values = st.one_of(
    st.binary(max_size=80),
    st.lists(st.one_of(parts, st.binary(max_size=8)), max_size=6).map(b"".join),
    st.binary(max_size=80).map(lambda data: b"Basic " + base64.b64encode(data)),
)
names = st.sampled_from([b"authorization", b"x-api-key", b"api-key", b"x-scope-orgid", b"x-tenant-id", b"host"])
tenant_names = st.from_regex(r"[A-Za-z0-9_.-]{1,64}", fullmatch=True).filter(
    lambda name: name not in {".", ".."} and "vdt_" not in name
)


def outcome(act: Callable[[], Answer]) -> Answer | RequestError:
    try:
        return act()
    except RequestError as error:
        return error


def judge() -> Authenticator:
    return Authenticator(TABLE, failures=FailureLimit(burst=1_000_000))


@given(st.lists(st.tuples(names, values), max_size=5))
def test_any_headers_give_an_identity_or_a_clean_refusal(headers: list[tuple[bytes, bytes]]) -> None:
    answer = outcome(lambda: judge().identify_headers(headers, scope="ingest"))
    match answer:
        case Identity():
            assert_within_its_key(answer, headers)
        case Unauthenticated():
            assert str(answer) in {UNKNOWN_KEY, MISSING, UNREADABLE, CONFLICTING}
        case _:
            assert isinstance(answer, InvalidInput | Forbidden)
            assert not {KEY, SEVERAL} & set(re.split(r"[^a-z0-9_]", str(answer)))


def assert_within_its_key(identity: Identity, headers: list[tuple[bytes, bytes]]) -> None:
    """An identity of a key was given that key, and is inside its tenants."""
    presented = any(name in {b"authorization", b"x-api-key", b"api-key"} for name, _ in headers)
    assert presented is (identity.key_id is not None)
    if identity.key_id == KEY_ID:
        assert identity.tenant == "acme"
    elif identity.key_id == SEVERAL_ID:
        assert identity.tenant in {"acme", "globex"}
    check_tenant_name(identity.tenant)


@given(st.text(), st.text(), st.text())
def test_any_text_gives_an_identity_or_a_clean_refusal(authorization: str, key: str, tenant: str) -> None:
    with pytest.raises((Unauthenticated, InvalidInput)):
        judge().identify(scope="ingest", authorization=authorization, api_key=key, tenant=tenant)


@given(st.binary(max_size=1000), st.one_of(st.none(), st.binary(max_size=100)))
def test_reading_credentials_never_fails_otherwise(authorization: bytes, key: bytes | None) -> None:
    answer = outcome(lambda: presented_key(authorization, key))
    assert isinstance(answer, bytes) or str(answer) in {UNREADABLE, CONFLICTING}


@given(st.text(st.characters(exclude_characters=":", codec="utf-8"), max_size=40))
def test_basic_takes_the_password_whatever_the_user_name(user: str) -> None:
    value = b"Basic " + base64.b64encode(f"{user}:{KEY}".encode())
    assert judge().identify(scope="ingest", authorization=value).key_id == KEY_ID


@given(st.binary(max_size=60))
def test_an_id_is_found_only_in_what_has_the_shape_of_a_key(data: bytes) -> None:
    found = key_id_of(data)
    assert found is None or (len(data) == 45 and data.startswith(b"vdt_") and len(found) == 8)


def test_minted_keys_have_one_shape_and_never_repeat() -> None:
    minted = [mint_key() for _ in range(500)]
    assert len({key_id for key_id, _ in minted}) == len({key for _, key in minted}) == 500
    for key_id, key in minted:
        assert re.fullmatch(rf"vdt_{key_id}_[a-z2-7]{{32}}", key)
        assert key_id_of(key.encode()) == key_id.encode()
    secrets = "".join(key[13:] for _, key in minted)
    assert set(secrets) == set("abcdefghijklmnopqrstuvwxyz234567")


@given(st.integers(0, len(KEY) - 1), st.integers(1, 255))
def test_a_key_changed_in_one_byte_is_unknown(position: int, change: int) -> None:
    altered = bytearray(KEY.encode())
    altered[position] ^= change
    with pytest.raises(Unauthenticated, match="not known here"):
        judge().identify(scope="ingest", api_key=bytes(altered))


@given(tenant_names)
def test_a_well_formed_tenant_is_taken_as_it_is(name: str) -> None:
    assert judge().identify(scope="ingest", tenant=name).tenant == name


@given(st.text())
def test_any_text_is_a_tenant_or_refused_on_one_printable_line(name: str) -> None:
    answer = outcome(lambda: check_tenant_name(name))
    if isinstance(answer, str):
        assert answer == name
        assert re.fullmatch(r"[A-Za-z0-9_.-]{1,64}", name)
    else:
        assert str(answer).isprintable()
        assert len(str(answer)) < 1000


@given(st.text(max_size=60))
def test_any_peer_counts_for_some_network(client: str) -> None:
    assert network_of(client)


@pytest.mark.parametrize(
    ("client", "network"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("ipv4:192.0.2.7:4711", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("ipv6:%5B2001:db8:1:2::9%5D:4711", "2001:db8:1:2::/64"),
        ("ipv6:[2001:db8:1:2::9]:4711", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("unix:/run/x.sock", "local"),
        ("", "local"),
    ],
)
def test_failures_are_counted_for_an_address_or_a_site(client: str, network: str) -> None:
    assert network_of(client) == network


def test_the_limit_remembers_a_bounded_number_of_networks() -> None:
    limit = FailureLimit(burst=2, networks=100)
    for number in range(1000):
        limit.record(f"10.0.{number // 250}.{number % 250}")
    assert len(limit) == 100
