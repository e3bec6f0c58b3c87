"""One exposition for several worker processes, without files.

The workers of one server process (gunicorn, uvicorn, granian) find each other by abstract Unix sockets, whose names
begin with the service and the parent's process id. Whoever is scraped asks the others and adds up. A worker that ends
leaves its counts to one that goes on, so that counters do not fall when workers are recycled. Only processes of the
same user are answered. Linux only; elsewhere, and without siblings, a process speaks for itself.
"""

from __future__ import annotations

import json
import os
import socket
import struct
import sys
import zlib
from contextlib import suppress
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Any

from vedette.sdk.background import begin_thread, end_thread
from vedette.sdk.guard import tell
from vedette.sdk.metrics.prometheus import foreign_families
from vedette.sdk.metrics.registry import registry
from vedette.sdk.metrics.snapshot import merged, snapshot

if TYPE_CHECKING:
    from vedette.sdk.metrics.forms import Form

__all__ = ["after_fork", "exposed", "join_workers", "leave_workers"]

_TIMEOUT_SECONDS = 1.0
_MOST_BYTES = 64 << 20
_MOST_HEIRS = 2  # asked in turn: a process that ends must not wait for many
_CREDENTIALS = struct.Struct("3i")
_LASTING = ("counter", "histogram", "summary")


class _Desk:
    """This worker's socket, and what workers that ended have left to it."""

    def __init__(self, group: str) -> None:
        self.group = group
        self.pid = os.getpid()
        self.inherited: list[list[Any]] = []
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._listener.bind(f"\0{group}{self.pid}")
        self._listener.listen(16)
        self._thread = begin_thread("vedette-workers", self._serve)

    def _serve(self) -> None:
        while True:
            try:
                other, _ = self._listener.accept()
            except OSError:
                return
            with other:
                try:
                    other.settimeout(_TIMEOUT_SECONDS)
                    if _is_ours(other):
                        self._answer(other)
                    other.shutdown(socket.SHUT_WR)  # closing alone says nothing while a forked child has a copy
                except (OSError, ValueError) as error:
                    tell("workers", f"a sibling worker could not be answered: {error}")

    def _answer(self, other: socket.socket) -> None:
        said = _receive(other)
        if said:
            # In one, however many workers are recycled; what is acknowledged here is counted from now on.
            self.inherited = [snapshot(merged([*self.inherited, json.loads(said)]), self.pid)]
            other.sendall(b"ok")
        else:
            other.sendall(zlib.compress(json.dumps(self.all_parts()).encode(), 1))

    def all_parts(self) -> list[list[Any]]:
        """This process's snapshot and those left to it."""
        own = [*registry.collect(), *foreign_families(registry.families)]
        return [snapshot(own, self.pid), *self.inherited]

    def siblings(self) -> list[str]:
        """The socket names of the other workers."""
        own = f"@{self.group}{self.pid}"
        names = [line.rsplit(" ", 1)[-1] for line in Path("/proc/net/unix").read_text().splitlines()]
        return sorted({name for name in names if name.startswith(f"@{self.group}") and name != own})

    def leave(self) -> None:
        """Answer no more. What siblings that end leave here until then is held when this returns."""
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)  # closing alone does not wake a thread that accepts
        end_thread(self._thread, monotonic() + _TIMEOUT_SECONDS)
        self._listener.close()

    def abandon(self) -> None:
        """Close a forked child's copy; the parent goes on answering."""
        self._listener.close()


_desk: _Desk | None = None
_service: str | None = None


def _is_ours(other: socket.socket) -> bool:
    held = other.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    return int(_CREDENTIALS.unpack(held)[1]) == os.getuid()


def _receive(peer: socket.socket) -> bytes:
    parts, size = [], 0
    while part := peer.recv(1 << 16):
        size += len(part)
        if size > _MOST_BYTES:
            raise ValueError("more metrics than one process can have")
        parts.append(part)
    return b"".join(parts)


def _ask(name: str, said: bytes) -> bytes:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as peer:
        peer.settimeout(_TIMEOUT_SECONDS)
        peer.connect("\0" + name[1:])
        if not _is_ours(peer):
            return b""
        peer.sendall(said)
        peer.shutdown(socket.SHUT_WR)
        return _receive(peer)


def join_workers(service: str) -> None:
    """Answer the siblings' questions from now on, if the parent process is a Python server with workers."""
    global _desk, _service  # noqa: PLW0603 - one socket per process
    leave_workers(bequeath=False)
    _service = service
    if sys.platform != "linux":
        return
    parent = os.getppid()
    try:
        if Path(f"/proc/{parent}/exe").resolve() != Path(sys.executable).resolve():
            return
        _desk = _Desk(f"vedette.{parent}.{zlib.crc32(service.encode()):08x}.")
    except OSError:  # no /proc, or not allowed: this process speaks for itself
        return


def after_fork() -> None:
    """Join as a process of its own, if the parent had been asked to (a server that loads the application first)."""
    global _desk  # noqa: PLW0603 - one socket per process
    if _desk is not None:
        _desk.abandon()
        _desk = None
    if _service is not None:
        join_workers(_service)


def leave_workers(*, bequeath: bool) -> None:
    """Stop answering; `bequeath` leaves what was counted to a worker that goes on."""
    global _desk
    desk, _desk = _desk, None
    if desk is None or desk.pid != os.getpid():
        return
    desk.leave()
    if not bequeath:
        return
    for parts in desk.all_parts():
        lasting = [family for family in parts if family[1] in _LASTING]
        for name in desk.siblings()[:_MOST_HEIRS]:
            try:
                if _ask(name, json.dumps(lasting).encode()) == b"ok":
                    break
            except OSError:  # this one is ending, too
                continue


def exposed(form: Form) -> bytes:
    """The exposition of this process and its siblings."""
    desk = _desk
    siblings = desk.siblings() if desk is not None else []
    if desk is None or (not siblings and not desk.inherited):
        own = [*registry.collect(), *foreign_families(registry.families)]
        return form.body(own)
    parts = desk.all_parts()
    deadline = monotonic() + 2 * _TIMEOUT_SECONDS
    for name in siblings:
        if monotonic() > deadline:
            tell("workers late", "some sibling workers did not answer in time; their metrics are missing")
            break
        try:
            answer = _ask(name, b"")
            if answer:
                parts += json.loads(zlib.decompress(answer))
        except (OSError, ValueError, zlib.error):  # it has just ended
            continue
    return form.body(merged(parts))
