"""Where a server may listen, and whether it then demands keys."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from vedette.errors import StartError
from vedette.server.control.posture import check_posture, is_loopback
from vedette.server.control.store import open_control
from vedette.server.settings import Address

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from vedette.server.control.identity import AuthMode
    from vedette.server.control.store import Control

HERE = ["127.0.0.1:7070", Address("::1", 4318), None, "off"]
EVERYWHERE = [*HERE, "0.0.0.0:4317"]


@pytest.fixture
def keys(sqlite_path: Path) -> Iterator[Control]:
    with open_control(f"sqlite:///{sqlite_path}") as control:
        yield control


@pytest.mark.parametrize("auth", ["auto", "required", "off"])
def test_a_server_for_this_machine_runs_as_its_setting_says(keys: Control, auth: AuthMode) -> None:
    assert check_posture(HERE, keys, auth=auth) == auth


def test_listening_beyond_this_machine_needs_an_admin_key(keys: Control) -> None:
    keys.create_key(name="", scopes=["ingest", "read"])
    with pytest.raises(StartError) as refused:
        check_posture(EVERYWHERE, keys)
    assert str(refused.value) == (
        "Refusing to listen on 0.0.0.0:4317 while no admin key exists; create one with "
        "`vedette key create --scope admin`, or pass --insecure-no-auth to go without."
    )
    key = keys.create_key(name="", scopes=["admin"]).key
    # Not auto: revoking the last admin key must not open a server that others reach.
    assert check_posture(EVERYWHERE, keys) == "required"
    keys.revoke_key(key.id)
    with pytest.raises(StartError):
        check_posture(EVERYWHERE, keys, auth="required")


def test_auth_off_beyond_this_machine_needs_the_flag(keys: Control) -> None:
    keys.create_key(name="", scopes=["admin"])
    with pytest.raises(StartError, match="with auth off"):
        check_posture(EVERYWHERE, keys, auth="off")
    assert check_posture(EVERYWHERE, keys, insecure_no_auth=True, auth="off") == "off"


@pytest.mark.parametrize("auth", ["auto", "required", "off"])
def test_the_flag_leaves_the_setting_alone(keys: Control, auth: AuthMode) -> None:
    assert check_posture(EVERYWHERE, keys, insecure_no_auth=True, auth=auth) == auth


@pytest.mark.parametrize(
    ("address", "loopback"),
    [
        ("127.0.0.1:7070", True),
        ("127.8.8.8:1", True),
        ("127.0.0.1", True),
        ("[::1]:7070", True),
        ("::1", True),
        ("[::ffff:127.0.0.1]:7070", True),
        ("localhost:7070", True),
        ("LOCALHOST", True),
        ("unix:/run/vedette.sock", True),
        ("off", True),
        ("0.0.0.0:7070", False),
        ("[::]:7070", False),
        ("::", False),
        ("192.168.0.1:7070", False),
        ("[fe80::1%eth0]:7070", False),
        ("[::ffff:192.0.2.1]:7070", False),
        ("127.0.0.1.example.org:7070", False),
        ("127.example.org:7070", False),
        ("localhost.example.org:7070", False),
        ("example.org", False),
        (":7070", False),
        ("", False),
    ],
)
def test_only_addresses_that_stay_on_this_machine_are_loopback(address: str, *, loopback: bool) -> None:
    assert is_loopback(address) is loopback
