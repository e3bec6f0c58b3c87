"""OTLP/gRPC, by the optional package grpcio: the same bytes, sent as unary calls.

https://opentelemetry.io/docs/specs/otlp/#otlpgrpc
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from vedette.errors import SettingsError
from vedette.sdk.export.answers import partial_success, retry_delay
from vedette.sdk.export.batch import unpacked
from vedette.sdk.export.connection import Trust
from vedette.sdk.export.http import LEVELS_HEADER, Outcome
from vedette.version import __version__

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from vedette.sdk.export.batch import Batch

__all__ = ["GrpcSender"]

_SERVICES = {
    "traces": "/opentelemetry.proto.collector.trace.v1.TraceService/Export",
    "logs": "/opentelemetry.proto.collector.logs.v1.LogsService/Export",
    "metrics": "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export",
}
_RETRYABLE = frozenset(("CANCELLED", "DEADLINE_EXCEEDED", "ABORTED", "OUT_OF_RANGE", "UNAVAILABLE", "DATA_LOSS"))
_EXHAUSTED = "RESOURCE_EXHAUSTED"
"""To be tried again only if it comes with a RetryInfo: it is also what a message says that is too large for ever."""
_DETAILS = "grpc-status-details-bin"


def _content(file: str | None) -> bytes | None:
    return Path(file).read_bytes() if file is not None else None


def _asked(error: Any) -> float | None:
    """The seconds after which the endpoint wants to be asked again, where it says so."""
    for key, value in error.trailing_metadata() or ():
        if key == _DETAILS and isinstance(value, bytes):
            return retry_delay(value)
    return None


class GrpcSender:
    """Calls the export services at `endpoint`. Not thread-safe: the sending thread owns it.

    `heard` is told what the metadata `vedette-log-levels` of an answer says.
    """

    def __init__(
        self,
        endpoint: str,
        headers: Mapping[str, str],
        timeout_seconds: float,
        heard: Callable[[str], None] | None = None,
        *,
        gzip: bool,
        trust: Trust | None = None,
    ) -> None:
        try:
            import grpc  # noqa: PLC0415 - an optional package
        except ImportError:
            raise SettingsError("protocol='grpc' needs grpcio: pip install grpcio, or use http/protobuf.") from None
        self._grpc: Any = grpc
        parts = urlsplit(endpoint)
        self.host = parts.hostname or "127.0.0.1"
        self._target = f"{parts.hostname}:{parts.port or 4317}"
        self._secure = parts.scheme == "https"
        self._trust = trust or Trust()
        self._timeout = timeout_seconds
        self._compression = grpc.Compression.Gzip if gzip else grpc.Compression.NoCompression
        self._metadata = tuple((name.lower(), value) for name, value in headers.items())
        self._heard = heard
        self._channel: Any = None
        self._pid = os.getpid()

    def send(self, batch: Batch, timeout_seconds: float | None = None) -> Outcome:
        """Deliver one batch. Every failure is an outcome; nothing is raised."""
        grpc = self._grpc
        if self._channel is None:
            options = [("grpc.primary_user_agent", f"vedette-python/{__version__}")]
            if self._secure:
                authorities, certificate, key = map(_content, self._trust)
                credentials = grpc.ssl_channel_credentials(authorities, key, certificate)
                self._channel = grpc.secure_channel(self._target, credentials, options)
            else:
                self._channel = grpc.insecure_channel(self._target, options)
            self._pid = os.getpid()
        call = self._channel.unary_unary(_SERVICES[batch.signal])
        timeout = min(self._timeout, timeout_seconds or self._timeout)
        metadata = (*self._metadata, ("idempotency-key", batch.key))
        try:
            how: dict[str, Any] = {"timeout": timeout, "metadata": metadata, "compression": self._compression}
            answer, made = call.with_call(unpacked(batch), **how)  # in the spool since HTTP was used
            self._listen(made)
        except grpc.RpcError as error:
            code = error.code().name
            reason = f"{code} {str(error.details())[:200]!r}"
            if code == "UNAVAILABLE":  # the channel would wait longer and longer; when to try again is decided outside
                self.close()
            delay = _asked(error)
            again = code in _RETRYABLE or (code == _EXHAUSTED and delay is not None)
            too_large = code == _EXHAUSTED and not again
            return Outcome(retry=again, after_seconds=delay or 0.0, reason=reason, too_large=too_large)
        except Exception as error:  # noqa: BLE001 - the channel may be broken in any way; the batch is tried again
            self.close()
            return Outcome(retry=True, reason=f"{type(error).__name__}: {error}")
        rejected, reason = partial_success(answer)
        return Outcome(delivered=True, rejected=rejected, reason=reason)

    def _listen(self, made: Any) -> None:
        if self._heard is not None:
            for key, value in (*(made.initial_metadata() or ()), *(made.trailing_metadata() or ())):
                if key == LEVELS_HEADER.lower():
                    self._heard(str(value))

    def close(self) -> None:
        """Close the channel; the next batch opens another. One that a fork copied is left to the parent."""
        channel, self._channel = self._channel, None
        if channel is not None and self._pid == os.getpid():
            channel.close()
