"""The engine's process from start to end."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import os
import signal
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

from aiohttp import web

from vedette.server.engine.embedded import startup
from vedette.server.engine.embedded.database import Database
from vedette.server.engine.embedded.failures import Failure
from vedette.server.engine.embedded.requests import Access
from vedette.server.engine.embedded.service import Service

if TYPE_CHECKING:
    import socket
    from pathlib import Path

__all__ = ["Options", "serve"]

_FINISH_SECONDS = 3.5
_CLOSE_SECONDS = 1.0
_PARENT_POLL_SECONDS = 1.0
_PR_SET_PDEATHSIG = 1
_LINE_BYTES = 4 * 1024 * 1024
_FIELD_BYTES = 64 * 1024
_READ_BYTES = 256 * 1024
_KEEPALIVE_SECONDS = 75.0
_LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "[::1]"})


@dataclass(frozen=True, slots=True)
class Options:
    """The command line.

    Args:
        path: the directory of the database.
        socket: where to listen.
        backups: the directory that BACKUP and RESTORE may use, or None.
        tcp: ``HOST:PORT`` to listen on too, or None.
        tcp_password_file: a file with ``user:password``, or None.
        tcp_write: whether statements that come over TCP may change anything.
        max_memory_bytes: the bound for all statements, merges and caches together.
        threads: how many statements run at once.
        parent: the process whose end is this one's.
    """

    path: Path
    socket: Path
    backups: Path | None
    tcp: str | None
    tcp_password_file: Path | None
    tcp_write: bool
    max_memory_bytes: int
    threads: int
    parent: int


async def serve(options: Options) -> None:
    """Open the database, serve it until told to stop, close it.

    Raises:
        CannotStart: see `startup`.
    """
    startup.check_directory(options.path)
    listeners = _listeners(options)
    try:
        await _serve(options, listeners)
    finally:
        # Only this process can have made it: whoever comes next waits for the directory's lock first.
        options.socket.unlink(missing_ok=True)


async def _serve(options: Options, listeners: list[tuple[socket.socket, Access]]) -> None:
    try:
        database = Database(options.path, max_memory_bytes=options.max_memory_bytes, backups=options.backups)
    except Failure as failure:
        raise startup.CannotStart(
            startup.EXIT_ENGINE, f"The database in {options.path} cannot be opened: {failure.message}"
        ) from None
    stop = asyncio.Event()
    watcher = _watch(stop, options.parent)
    spool = options.path / "tmp"
    spool.mkdir(exist_ok=True)
    service = Service(database, spool, threads=options.threads)
    servers = []
    for listener, access in listeners:
        protocol = web.Server(
            service.handler(access),
            access_log=None,
            handler_cancellation=True,
            auto_decompress=False,
            keepalive_timeout=_KEEPALIVE_SECONDS,
            max_line_size=_LINE_BYTES,
            max_field_size=_FIELD_BYTES,
            read_bufsize=_READ_BYTES,
        )
        servers.append((await asyncio.get_running_loop().create_server(protocol, sock=listener), protocol))
    await stop.wait()
    watcher.cancel()
    for server, _ in servers:
        server.close()
    options.socket.unlink(missing_ok=True)
    await service.stop(_FINISH_SECONDS)
    for _, protocol in servers:
        await protocol.shutdown(_CLOSE_SECONDS)
    database.close()


def _listeners(options: Options) -> list[tuple[socket.socket, Access]]:
    """The sockets, which accept connections from now on; they wait until the database is open."""
    listeners = []
    if options.tcp is not None:
        host, port = startup.split_address(options.tcp)
        credentials = None if options.tcp_password_file is None else startup.read_credentials(options.tcp_password_file)
        access = Access(
            credentials=credentials,
            readonly=not options.tcp_write,
            local_names=_LOOPBACK_NAMES if credentials is None else None,
        )
        listeners.append((startup.listen_tcp(host, port, has_password=credentials is not None), access))
    listeners.append((startup.listen_unix(options.socket), Access()))
    return listeners


def _watch(stop: asyncio.Event, parent: int) -> asyncio.Task[None]:
    """Set the event on SIGTERM, on SIGINT, and when the parent process is gone."""
    loop = asyncio.get_running_loop()

    def orphaned() -> None:
        if os.getppid() != parent:
            stop.set()

    async def look() -> None:
        while True:
            orphaned()
            await asyncio.sleep(_PARENT_POLL_SECONDS)

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    if sys.platform == "linux":
        # Linux tells at once; but it also tells when only the thread that started us has ended, so we look.
        loop.add_signal_handler(signal.SIGUSR1, orphaned)
        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, int(signal.SIGUSR1))
    return loop.create_task(look())
