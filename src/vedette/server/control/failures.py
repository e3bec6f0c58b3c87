"""Limit how often one client address may present a wrong key."""

from __future__ import annotations

import ipaddress
import time
from collections import OrderedDict
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote

if TYPE_CHECKING:
    from collections.abc import Callable

_IPV6_SITE_BITS: Final = 64


class FailureLimit:
    """A bound on failures per client network: a burst, then a steady trickle (the generic cell rate algorithm).

    Only failures are counted and only failures are slowed. A valid key passes whatever else its address sends: a
    lock-out would let one misconfigured agent silence every other behind the same NAT or proxy, and guessing 160 bits
    is hopeless at any rate. What the limit saves is CPU and log.

    Memory is bounded: the least recently failing network is forgotten first. IPv6 clients are counted per /64.
    """

    def __init__(
        self,
        *,
        burst: int = 20,
        per_seconds: float = 60.0,
        networks: int = 4096,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._step = per_seconds / burst
        self._tolerance = per_seconds - self._step
        self._networks = networks
        self._clock = clock
        self._due: OrderedDict[str, float] = OrderedDict()

    def __len__(self) -> int:
        """Return how many networks are remembered."""
        return len(self._due)

    def record(self, client: str) -> float:
        """Count one failure. Returns the seconds that the client must wait, or 0 when it is within its allowance."""
        network = network_of(client)
        now = self._clock()
        due = max(now, self._due.get(network, now))
        wait = due - now - self._tolerance
        if wait <= 0:
            self._due[network] = due + self._step
            wait = 0.0
        if network in self._due:
            self._due.move_to_end(network)
        while len(self._due) > self._networks:
            self._due.popitem(last=False)
        return wait


def network_of(client: str) -> str:
    """Return the network that failures of `client` are counted for: an IPv4 address or an IPv6 /64.

    `client` is an address as ASGI gives it or a peer as gRPC does (``ipv4:192.0.2.1:4711``, ``ipv6:%5B::1%5D:4711``).
    Anything else, such as a Unix socket, counts as one client.
    """
    kind, separator, rest = client.partition(":")
    is_peer = separator and kind in {"ipv4", "ipv6"}
    host = unquote(rest).rpartition(":")[0].strip("[]") if is_peer else client
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return "local"
    if isinstance(address, ipaddress.IPv4Address):
        return str(address)
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return str(ipaddress.ip_network((address, _IPV6_SITE_BITS), strict=False))
