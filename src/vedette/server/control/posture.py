"""Decide at start whether a server may listen where it is told to, and whether it demands keys."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING

from vedette.errors import StartError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from vedette.server.control.identity import AuthMode
    from vedette.server.control.store import Control

__all__ = ["check_posture", "is_loopback"]


def check_posture(
    listen_addresses: Iterable[object],
    control: Control,
    insecure_no_auth: bool = False,  # noqa: FBT001, FBT002 - the flag of the same name, passed on
    *,
    auth: AuthMode = "auto",
) -> AuthMode:
    """Return the mode that an `Authenticator` must run in, or refuse to start.

    A server that only this machine can reach runs as `auth` says. One that others can reach needs an administrator's
    key to exist and then always demands keys: `auto` becomes `required`, so that revoking the last admin key while it
    runs does not open it. `insecure_no_auth` lifts both; then `auth` decides alone.

    Args:
        listen_addresses: every address that will be bound, as ``HOST:PORT``, ``[IPv6]:PORT``, a bare host, or anything
            whose `str` is one of these; ``off``, None and ``unix:…`` reach nobody else.
        control: where admin keys are looked for.
        insecure_no_auth: the operator accepts that anyone who reaches the server reads and writes everything.
        auth: the setting of the same name.

    Raises:
        StartError: an address is reachable from elsewhere and nothing would ask who calls.
    """
    if insecure_no_auth:
        return auth
    exposed = [text for text in map(str, filter(None, listen_addresses)) if not is_loopback(text)]
    if not exposed:
        return auth
    if auth == "off":
        raise StartError(
            f"Refusing to listen on {exposed[0]} with auth off, where anyone could read and write everything; "
            "set auth to auto, or pass --insecure-no-auth to accept that."
        )
    if not control.admin_exists():
        raise StartError(
            f"Refusing to listen on {exposed[0]} while no admin key exists; "
            "create one with `vedette key create --scope admin`, or pass --insecure-no-auth to go without."
        )
    return "required"


def is_loopback(address: str) -> bool:
    """Whether only this machine can reach `address` (see `check_posture`). A name other than localhost counts as no."""
    text = address.strip().lower()
    if text in {"off", "localhost"} or text.startswith(("unix:", "localhost:")):
        return True
    host = _host(text).partition("%")[0]
    try:
        parsed = ipaddress.ip_address(host)
    except ValueError:
        return False
    if isinstance(parsed, ipaddress.IPv6Address) and parsed.ipv4_mapped is not None:
        return parsed.ipv4_mapped.is_loopback
    return parsed.is_loopback


def _host(address: str) -> str:
    """Return the host of `host:port`, `[host]:port` or a bare host."""
    if address.startswith("["):
        return address[1:].partition("]")[0]
    if address.count(":") == 1:
        return address.partition(":")[0]
    return address
