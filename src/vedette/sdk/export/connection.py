"""One kept-open HTTP connection that posts."""

from __future__ import annotations

import codecs
import contextlib
import http.client
import io
import os
import socket
import ssl
from time import monotonic
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlsplit

from vedette.version import __version__

if TYPE_CHECKING:
    from collections.abc import Mapping
    from email.message import Message

__all__ = ["BROKEN", "Answer", "Connection", "Trust"]

BROKEN = (OSError, http.client.HTTPException, ValueError)
"""What `Connection.post` raises when there is no answer."""

_abandoned: list[http.client.HTTPConnection] = []
_CLOSED = (http.client.RemoteDisconnected, BrokenPipeError, ConnectionResetError)


class Trust(NamedTuple):
    """Files for `https`: authorities to trust instead of the system's, and the certificate to show, with its key."""

    authorities: str | None = None
    certificate: str | None = None
    key: str | None = None


class Answer(NamedTuple):
    """What came back: the first `longest` bytes of the body."""

    status: int
    headers: Message
    body: bytes


_SYSTEM = Trust()


class _InTime(io.RawIOBase):
    """Reads from a socket until a time (monotonic seconds): one that gives a byte now and then ends, too."""

    def __init__(self, sock: socket.socket, until: float) -> None:
        self._sock = sock
        self._until = until
        self._raw = sock.makefile("rb", buffering=0)

    def makefile(self, _mode: str) -> io.BufferedReader:
        """What an answer is read from."""
        return io.BufferedReader(self)

    def readable(self) -> bool:
        return True

    def readinto(self, into: Any) -> int | None:
        left = self._until - monotonic()
        if left <= 0:
            raise TimeoutError("the answer was not complete in time")
        self._sock.settimeout(left)
        return self._raw.readinto(into)

    def close(self) -> None:
        self._raw.close()
        super().close()


def _answers_until(until: float) -> Any:
    """What makes the answer to a request, which ends at a time (monotonic seconds)."""

    def answer(sock: Any, **how: Any) -> http.client.HTTPResponse:
        within: Any = _InTime(sock, until)
        return http.client.HTTPResponse(within, **how)

    return answer


class Connection:
    """Posts to paths below `url`. Not thread-safe: a sending thread owns it."""

    def __init__(self, url: str, headers: Mapping[str, str], timeout_seconds: float, trust: Trust = _SYSTEM) -> None:
        parts = urlsplit(url)
        self._trust = trust
        self.host = parts.hostname or "127.0.0.1"
        self._port = parts.port
        self._base = parts.path.rstrip("/")
        self._secure = parts.scheme == "https"
        self._timeout = timeout_seconds
        self._headers = {"User-Agent": f"vedette-python/{__version__}", **headers}
        self._open: http.client.HTTPConnection | None = None
        self._pid = 0  # of the process that opened it
        # Loaded by the first connection otherwise; a child that is forked while a thread imports waits for it for ever.
        codecs.lookup("idna")

    def post(
        self, path: str, body: bytes, headers: Mapping[str, str], timeout_seconds: float | None, longest: int
    ) -> Answer:
        """Post `body` within the timeout; a connection that the other side closed meanwhile is opened again.

        Raises:
            One of `BROKEN`: there was no answer.
        """
        fresh = self._open is None
        try:
            return self._post(path, body, headers, timeout_seconds, longest)
        except BROKEN as error:
            self.close()
            # A kept-open connection that the other side closed meanwhile says nothing about the endpoint.
            if fresh or not isinstance(error, _CLOSED):
                raise
        try:
            return self._post(path, body, headers, timeout_seconds, longest)
        except BROKEN:
            self.close()
            raise

    def _post(
        self, path: str, body: bytes, headers: Mapping[str, str], timeout_seconds: float | None, longest: int
    ) -> Answer:
        connection = self._open
        timeout = min(self._timeout, timeout_seconds or self._timeout)
        if connection is None:
            if self._secure:
                context = ssl.create_default_context(cafile=self._trust.authorities)
                if self._trust.certificate is not None:
                    context.load_cert_chain(self._trust.certificate, self._trust.key)
                connection = http.client.HTTPSConnection(self.host, self._port, timeout=timeout, context=context)
            else:
                connection = http.client.HTTPConnection(self.host, self._port, timeout=timeout)
            self._open, self._pid = connection, os.getpid()
        if connection.sock is not None:
            connection.sock.settimeout(timeout)
        connection.response_class = _answers_until(monotonic() + timeout)
        connection.request("POST", self._base + path or "/", body=body, headers={**self._headers, **headers})
        answer = connection.getresponse()
        said = answer.read(longest)
        if answer.will_close or not answer.isclosed():
            self.close()
        return Answer(answer.status, answer.headers, said)

    def close(self) -> None:
        """Close the connection; the next post opens another. One that a fork copied is left to the parent.

        Another thread may be reading from it: it is woken.
        """
        connection, self._open = self._open, None
        if connection is None:
            return
        if self._pid != os.getpid():
            _abandon(connection)
            return
        with contextlib.suppress(OSError):
            if connection.sock is not None:  # a reading thread holds a lock that closing waits for
                connection.sock.shutdown(socket.SHUT_RDWR)
        with contextlib.suppress(OSError):
            connection.close()


def _abandon(connection: http.client.HTTPConnection) -> None:
    """Give up the copy of a connection that the parent goes on using.

    Neither closing nor freeing it will do: a thread of the parent may have been reading, and the lock that it held then
    is held for ever here. So the copied descriptor is closed beneath it, and the object is kept.
    """
    _abandoned.append(connection)
    if connection.sock is not None:
        with contextlib.suppress(OSError):
            os.close(connection.sock.detach())
