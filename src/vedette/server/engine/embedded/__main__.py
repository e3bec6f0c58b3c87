"""The embedded engine's process: ``python -m vedette.server.engine.embedded --path DIR --socket FILE``."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

import uvloop

from vedette.server.certificates import load_aiohttp

load_aiohttp()

from vedette.server.engine.embedded.process import Options, serve  # noqa: E402 - it loads aiohttp
from vedette.server.engine.embedded.startup import CannotStart  # noqa: E402 - beside it

_LEAST_THREADS = 16
_THREADS_PER_CORE = 4
_LEAST_MEMORY_BYTES = 256 * 1024 * 1024


def main() -> int:
    """Run until SIGTERM, SIGINT or the end of the parent process."""
    parent = os.getppid()
    options = _options(parent)
    try:
        uvloop.run(serve(options))
    except CannotStart as error:
        sys.stderr.write(f"{error}\n")
        return error.code
    return 0


def _options(parent: int) -> Options:
    parser = argparse.ArgumentParser(
        prog="vedette-engine", description="chDB behind ClickHouse's HTTP interface.", allow_abbrev=False
    )
    parser.add_argument("--path", type=Path, required=True, help="directory of the database")
    parser.add_argument("--socket", type=Path, required=True, help="Unix socket to listen on")
    parser.add_argument("--backups", type=Path, help="directory that BACKUP and RESTORE may use; else none")
    parser.add_argument("--tcp", metavar="HOST:PORT", help="listen on TCP too, for clickhouse-connect and the like")
    parser.add_argument("--tcp-password-file", type=Path, help="file with user:password; without it, loopback only")
    parser.add_argument("--tcp-write", action="store_true", help="let TCP callers change data; else they only read")
    parser.add_argument("--max-memory", type=int, help="bytes for all statements, merges and caches together")
    parser.add_argument("--threads", type=int, help="how many statements run at once")
    given = parser.parse_args()
    memory = given.max_memory or os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") * 2 // 5
    if memory < _LEAST_MEMORY_BYTES:
        parser.error(f"--max-memory must be at least {_LEAST_MEMORY_BYTES} bytes")
    threads = given.threads or max(_LEAST_THREADS, _THREADS_PER_CORE * (os.cpu_count() or 1))
    if threads < 1:
        parser.error("--threads must be positive")
    return Options(
        path=given.path.absolute(),
        socket=given.socket.absolute(),
        backups=None if given.backups is None else given.backups.absolute(),
        tcp=given.tcp,
        tcp_password_file=given.tcp_password_file,
        tcp_write=given.tcp_write,
        max_memory_bytes=memory,
        threads=threads,
        parent=parent,
    )


if __name__ == "__main__":
    code = main()
    sys.stdout.flush()
    sys.stderr.flush()
    # A thread that is still inside the engine must not keep the process alive.
    os._exit(code)
