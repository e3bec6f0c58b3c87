"""What may go wrong before the engine serves: each has one sentence and an exit code of its own."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import ipaddress
import os
import socket
import stat
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

__all__ = [
    "EXIT_DIRECTORY",
    "EXIT_ENGINE",
    "EXIT_LOCKED",
    "EXIT_SOCKET",
    "CannotStart",
    "check_directory",
    "listen_tcp",
    "listen_unix",
    "read_credentials",
    "split_address",
]

EXIT_DIRECTORY = 10
EXIT_LOCKED = 11
EXIT_SOCKET = 12
EXIT_ENGINE = 13

_BACKLOG = 1024
_SOCKET_PATH_BYTES = 107


class CannotStart(Exception):
    """One sentence for the person who started the process, and the exit code."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code


def check_directory(path: Path) -> None:
    """Make the database's directory if need be, and make sure that this process can have it for itself.

    Raises:
        CannotStart: it cannot be made or written, or another process has its lock.
    """
    if "?" in str(path) or "\n" in str(path):
        raise CannotStart(EXIT_DIRECTORY, f"The engine's directory {path} has a character that chDB cannot take")
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        probe = path / ".writable"
        probe.touch()
        probe.unlink()
        # chDB locks this file itself, but tells of a failure only in a stack trace.
        with (path / "status").open("ab") as status:
            fcntl.flock(status, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise CannotStart(
            EXIT_LOCKED,
            f"The engine's directory {path} is in use by another process: stop that one, or use another --path",
        ) from None
    except OSError as error:
        raise CannotStart(
            EXIT_DIRECTORY, f"The engine's directory {path} cannot be used: {error.strerror}. Check its owner and mode"
        ) from None


def listen_unix(path: Path) -> socket.socket:
    """A listening Unix socket that only this user can open.

    Raises:
        CannotStart: somebody listens there already, or it cannot be made.
    """
    if len(os.fsencode(path)) > _SOCKET_PATH_BYTES:
        raise CannotStart(
            EXIT_SOCKET,
            f"The socket's path {path} is longer than the {_SOCKET_PATH_BYTES} bytes that the system allows",
        )
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        _remove_stale(path)
        before = os.umask(0o177)
        try:
            listener.bind(str(path))
        finally:
            os.umask(before)
        listener.listen(_BACKLOG)
    except OSError as error:
        listener.close()
        raise CannotStart(EXIT_SOCKET, f"The socket {path} cannot be made: {error.strerror}") from None
    except CannotStart:
        listener.close()
        raise
    return listener


def _remove_stale(path: Path) -> None:
    try:
        mode = path.lstat().st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(mode):
        raise CannotStart(EXIT_SOCKET, f"{path} exists and is no socket: remove it, or use another --socket")
    with contextlib.closing(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)) as probe:
        try:
            probe.connect(str(path))
        except OSError as error:
            if error.errno in {errno.ECONNREFUSED, errno.ENOENT}:
                path.unlink(missing_ok=True)
                return
            raise
    raise CannotStart(EXIT_SOCKET, f"The socket {path} is in use by another process: stop it, or use another --socket")


def split_address(address: str) -> tuple[str, int]:
    """Host and port of ``HOST:PORT`` or ``[IPv6]:PORT``.

    Raises:
        CannotStart: it is neither.
    """
    host, colon, port = address.rpartition(":")
    if not colon or not host or not port.isdecimal() or int(port) > 65535:  # noqa: PLR2004 - the highest port
        raise CannotStart(EXIT_SOCKET, f"--tcp takes HOST:PORT, such as 127.0.0.1:8123, not {address!r}")
    return host.strip("[]"), int(port)


def listen_tcp(host: str, port: int, *, has_password: bool) -> socket.socket:
    """A listening TCP socket; without a password only on loopback.

    Raises:
        CannotStart: the address is not loopback and there is no password, or it cannot be bound.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
    except socket.gaierror as error:
        raise CannotStart(EXIT_SOCKET, f"--tcp: the host {host} is not known: {error.strerror}") from None
    if not has_password and not ipaddress.ip_address(str(address[0])).is_loopback:
        raise CannotStart(
            EXIT_SOCKET, f"--tcp {host}:{port} is reachable from outside: give --tcp-password-file, or use 127.0.0.1"
        )
    listener = socket.socket(family, kind, protocol)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(_BACKLOG)
    except OSError as error:
        listener.close()
        raise CannotStart(EXIT_SOCKET, f"--tcp {host}:{port} cannot be bound: {error.strerror}") from None
    return listener


def read_credentials(path: Path) -> bytes:
    """The first line of a password file: ``user:password``.

    Raises:
        CannotStart: the file cannot be read or says something else.
    """
    try:
        line = path.read_bytes().splitlines()[:1]
    except OSError as error:
        raise CannotStart(EXIT_SOCKET, f"The password file {path} cannot be read: {error.strerror}") from None
    user, colon, password = (line[0] if line else b"").partition(b":")
    if not user or not colon or not password:
        raise CannotStart(EXIT_SOCKET, f"The password file {path} must have one line, user:password")
    return line[0]
