"""Targets from DNS: ``dns_sd_configs``.

Questions go to the servers of /etc/resolv.conf (or the setting ``scrape_dns_server``) over UDP, and over TCP where an
answer does not fit: RFC 1035. `/etc/hosts` has no part in it, as in Prometheus.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import secrets
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from vedette.server.scrape.discovery.config import Dns
    from vedette.server.scrape.targets import Group

__all__ = ["DnsFailure", "Resolver", "dns_groups"]

_TYPES = {"A": 1, "NS": 2, "MX": 15, "AAAA": 28, "SRV": 33}
_HEADER = struct.Struct("!HHHHHH")
_RECORD = struct.Struct("!HHIH")
_ANSWER, _RECURSE, _TRUNCATED, _CODE = 0x8000, 0x0100, 0x0200, 0x000F
_NO_SUCH_NAME = 3
_TIMEOUT_SECONDS = 5.0
_MOST_JUMPS = 64
_POINTER = 0xC0
_PORT = 53


class DnsFailure(Exception):
    """No server gave an answer that can be used. A name that does not exist is an answer, and no failure."""


@dataclass(frozen=True, slots=True)
class _Record:
    """An answer: what it points to, and the port of a SRV."""

    target: str
    port: int = 0


class Resolver:
    """Asks name servers.

    Args:
        server: ``host:port`` of the one to ask; empty means those of /etc/resolv.conf.
    """

    def __init__(self, server: str = "") -> None:
        self._server = server

    async def resolve(self, name: str, kind: str) -> list[_Record]:
        """The records of a name; of relative ones, those of the first domain of the search list that has any.

        Raises:
            DnsFailure: no server answered.
        """
        servers, search = await asyncio.to_thread(self._setup)
        names = [name] if name.endswith(".") else [*(f"{name}.{domain}" for domain in search), name]
        failure: DnsFailure | None = None
        answered = False
        for candidate in names:
            try:
                found = await self._ask_any(servers, candidate.rstrip("."), kind)
            except DnsFailure as error:
                failure = error
                continue
            answered = True
            if found:
                return found
        if failure is not None and not answered:
            raise failure
        return []

    def _setup(self) -> tuple[list[tuple[str, int]], list[str]]:
        if self._server:
            host, _, port = self._server.rpartition(":")
            return [(host.strip("[]"), int(port))], []
        servers: list[tuple[str, int]] = []
        search: list[str] = []
        with contextlib.suppress(OSError):
            for line in Path("/etc/resolv.conf").read_text(encoding="utf-8").splitlines():
                words = line.split()
                if len(words) > 1 and words[0] == "nameserver":
                    servers.append((words[1], _PORT))
                elif words and words[0] in {"search", "domain"}:
                    search = words[1:]
        return servers or [("127.0.0.1", _PORT)], search

    async def _ask_any(self, servers: list[tuple[str, int]], name: str, kind: str) -> list[_Record]:
        faults: list[str] = []
        for host, port in servers:
            try:
                async with asyncio.timeout(_TIMEOUT_SECONDS):
                    return await _ask(host, port, name, kind)
            except TimeoutError:
                faults.append(f"{host} does not answer")
            except (OSError, ValueError, DnsFailure) as error:
                faults.append(f"{host}: {error}")
        raise DnsFailure(f"{kind} of {name}: {'; '.join(faults)}")


async def _ask(host: str, port: int, name: str, kind: str) -> list[_Record]:
    number = secrets.randbelow(1 << 16)
    question = _HEADER.pack(number, _RECURSE, 1, 0, 0, 0) + _encoded(name) + struct.pack("!HH", _TYPES[kind], 1)
    answer = await _by_udp(host, port, question)
    if _HEADER.unpack_from(answer)[1] & _TRUNCATED:
        reader, writer = await asyncio.open_connection(host, port)
        try:
            writer.write(struct.pack("!H", len(question)) + question)
            answer = await reader.readexactly(struct.unpack("!H", await reader.readexactly(2))[0])
        except asyncio.IncompleteReadError:
            raise DnsFailure("the answer ends too early") from None
        finally:
            writer.close()
    return _records(answer, question, kind)


async def _by_udp(host: str, port: int, question: bytes) -> bytes:
    arrived: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

    class Wait(asyncio.DatagramProtocol):
        def datagram_received(self, data: bytes, _address: object) -> None:
            # Anything else that arrives here is not the answer to this question.
            if data[:2] == question[:2] and len(data) >= _HEADER.size and not arrived.done():
                arrived.set_result(data)

        def error_received(self, error: Exception) -> None:
            if not arrived.done():
                arrived.set_exception(error)

    transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(Wait, remote_addr=(host, port))
    try:
        transport.sendto(question)
        return await arrived
    finally:
        transport.close()


def _encoded(name: str) -> bytes:
    parts = [part.encode("idna") if not part.isascii() else part.encode() for part in name.split(".") if part]
    if any(len(part) > 63 for part in parts):  # noqa: PLR2004 - RFC 1035
        raise ValueError(f"{name!r} is no name")
    return b"".join(bytes([len(part)]) + part for part in parts) + b"\0"


def _records(data: bytes, question: bytes, kind: str) -> list[_Record]:
    """The records of an answer that are of the kind asked for."""
    try:
        number, flags, questions, answers, _, _ = _HEADER.unpack_from(data)
        if number != struct.unpack_from("!H", question)[0] or not flags & _ANSWER:
            raise DnsFailure("the answer is to another question")
        code = flags & _CODE
        if code == _NO_SUCH_NAME:
            return []
        if code:
            raise DnsFailure(f"the server says code {code}")
        at = _HEADER.size
        for _ in range(questions):
            at = _name(data, at)[1] + 4
        found = []
        for _ in range(answers):
            at = _name(data, at)[1]
            type_, _, _, size = _RECORD.unpack_from(data, at)
            at += _RECORD.size
            if type_ == _TYPES[kind]:
                found.append(_record(data, at, size, kind))
            at += size
    except (IndexError, struct.error) as error:
        raise DnsFailure(f"the answer is damaged: {error}") from None
    return found


def _record(data: bytes, at: int, size: int, kind: str) -> _Record:
    match kind:
        case "A" | "AAAA":
            return _Record(str(ipaddress.ip_address(data[at : at + size])))
        case "SRV":
            return _Record(_name(data, at + 6)[0], struct.unpack_from("!H", data, at + 4)[0])
        case "MX":
            return _Record(_name(data, at + 2)[0])
        case _:
            return _Record(_name(data, at)[0])


def _name(data: bytes, at: int) -> tuple[str, int]:
    """A name, with its dot at the end, and where what follows it begins."""
    parts: list[str] = []
    end = -1
    for _ in range(_MOST_JUMPS * 4):
        size = data[at]
        if size >= _POINTER:
            end = at + 2 if end < 0 else end
            at = (size & 0x3F) << 8 | data[at + 1]
        elif size:
            parts.append(data[at + 1 : at + 1 + size].decode("ascii", "replace"))
            at += 1 + size
        else:
            return ".".join(parts) + ".", at + 1 if end < 0 else end
    raise DnsFailure("a name in the answer has no end")


async def dns_groups(config: Dns, resolver: Resolver) -> list[Group]:
    """The targets that the names of a configuration have now.

    Raises:
        DnsFailure: a name could not be asked for.
    """
    groups: list[Group] = []
    for name in config.names:
        for record in await resolver.resolve(name, config.kind):
            port = record.port if config.kind == "SRV" else config.port
            labels = {"__meta_dns_name": name}
            host = record.target if config.kind in {"A", "AAAA"} else record.target.rstrip(".")
            if config.kind == "SRV":
                labels |= {"__meta_dns_srv_record_target": record.target, "__meta_dns_srv_record_port": str(port)}
            elif config.kind in {"MX", "NS"}:
                labels[f"__meta_dns_{config.kind.lower()}_record_target"] = record.target
            groups.append(((f"[{host}]:{port}" if ":" in host else f"{host}:{port}",), labels))
    return groups
