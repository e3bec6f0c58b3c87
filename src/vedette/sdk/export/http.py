"""OTLP/HTTP: one kept-open connection, the answers that the specification names, nothing else.

https://opentelemetry.io/docs/specs/otlp/#otlphttp
"""

from __future__ import annotations

import contextlib
import email.utils
import http.client
import math
import ssl
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import vedette

if TYPE_CHECKING:
    from collections.abc import Mapping

    from vedette.sdk.export.batch import Batch

__all__ = ["HttpSender", "Outcome", "rejected_items"]

_RETRYABLE = frozenset((429, 502, 503, 504))
_LONGEST_ANSWER = 1 << 16
_REJECTED_FIELD = 0x08  # ExportPartialSuccess.rejected_*, a varint


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a request: `delivered`, to be tried again (`retry`, not before `after_seconds`), or refused."""

    delivered: bool = False
    retry: bool = False
    after_seconds: float = 0.0
    rejected: int = 0
    reason: str = ""


class HttpSender:
    """Posts batches to `endpoint`/v1/<signal>. Not thread-safe: the sending thread owns it."""

    def __init__(self, endpoint: str, headers: Mapping[str, str], timeout_seconds: float) -> None:
        parts = urlsplit(endpoint)
        self.host = parts.hostname or "127.0.0.1"
        self._port = parts.port
        self._base = parts.path.rstrip("/")
        self._secure = parts.scheme == "https"
        self._timeout = timeout_seconds
        self._headers = {
            "Content-Type": "application/x-protobuf",
            "User-Agent": f"vedette-python/{vedette.__version__}",
            **headers,
        }
        self._connection: http.client.HTTPConnection | None = None

    def send(self, batch: Batch, timeout_seconds: float | None = None) -> Outcome:
        """Deliver one batch. Every failure is an outcome; nothing is raised."""
        headers = self._headers | {"Idempotency-Key": batch.key}
        if batch.encoding:
            headers["Content-Encoding"] = batch.encoding
        fresh = self._connection is None
        try:
            return self._post(batch, headers, timeout_seconds)
        except (OSError, http.client.HTTPException, ValueError) as error:
            self.close()
            # A kept-open connection that the other side closed meanwhile says nothing about the endpoint.
            closed = isinstance(error, (http.client.RemoteDisconnected, BrokenPipeError, ConnectionResetError))
            if not fresh and closed:
                try:
                    return self._post(batch, headers, timeout_seconds)
                except (OSError, http.client.HTTPException, ValueError) as second:
                    self.close()
                    error = second
            return Outcome(retry=True, reason=f"{type(error).__name__}: {error}")

    def _post(self, batch: Batch, headers: Mapping[str, str], timeout_seconds: float | None) -> Outcome:
        connection = self._connection
        timeout = min(self._timeout, timeout_seconds or self._timeout)
        if connection is None:
            if self._secure:
                context = ssl.create_default_context()
                connection = http.client.HTTPSConnection(self.host, self._port, timeout=timeout, context=context)
            else:
                connection = http.client.HTTPConnection(self.host, self._port, timeout=timeout)
            self._connection = connection
        if connection.sock is not None:
            connection.sock.settimeout(timeout)
        connection.request("POST", f"{self._base}/v1/{batch.signal}", body=batch.body, headers=dict(headers))
        answer = connection.getresponse()
        body = answer.read(_LONGEST_ANSWER)
        if answer.will_close or not answer.isclosed():
            self.close()
        return _outcome(answer.status, answer.getheader("Retry-After"), body)

    def close(self) -> None:
        """Close the connection; the next batch opens another."""
        if self._connection is not None:
            with contextlib.suppress(OSError):
                self._connection.close()
            self._connection = None


def _outcome(status: int, retry_after: str | None, body: bytes) -> Outcome:
    if 200 <= status < 300:
        return Outcome(delivered=True, rejected=rejected_items(body))
    if status in _RETRYABLE:
        return Outcome(retry=True, after_seconds=_seconds(retry_after), reason=f"HTTP {status}")
    text = body[:200].decode("utf-8", "replace")
    return Outcome(reason=f"HTTP {status} {text!r}")


def _seconds(retry_after: str | None) -> float:
    """The seconds that a Retry-After header asks for, as a number or a date; 0 if it is absent or malformed."""
    if not retry_after:
        return 0.0
    try:
        seconds = float(retry_after)
    except ValueError:
        pass
    else:
        return max(0.0, seconds) if math.isfinite(seconds) else 0.0
    try:
        return max(0.0, email.utils.parsedate_to_datetime(retry_after).timestamp() - time.time())
    except ValueError:
        return 0.0


def rejected_items(body: bytes) -> int:
    """`partial_success.rejected_*` of an answer; 0 if it is absent or the body is no such message."""
    if len(body) < 4 or body[0] != 0x0A or body[2] != _REJECTED_FIELD:
        return 0
    number = shift = 0
    for byte in body[3:13]:
        number |= (byte & 127) << shift
        if byte < 128:
            return number
        shift += 7
    return 0
