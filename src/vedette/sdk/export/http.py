"""OTLP/HTTP: one kept-open connection, the answers that the specification names, nothing else.

https://opentelemetry.io/docs/specs/otlp/#otlphttp
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from vedette.sdk.export.answers import partial_success, seconds_of
from vedette.sdk.export.connection import BROKEN, Connection, Trust

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from vedette.sdk.export.batch import Batch
    from vedette.sdk.export.connection import Answer

__all__ = ["LEVELS_HEADER", "RETRYABLE", "HttpSender", "Outcome"]

LEVELS_HEADER = "Vedette-Log-Levels"
"""By this header of an answer the endpoint changes log levels: `app=debug,sqlalchemy=warning`."""

RETRYABLE = frozenset((429, 502, 503, 504))
_TOO_LARGE = 413
_LONGEST_ANSWER = 1 << 16
_REJECTED_FIELD = 0x08  # ExportPartialSuccess.rejected_*, a varint


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a request: `delivered`, to be tried again (`retry`, not before `after_seconds`), or refused.

    Where an endpoint decides item by item, `left` holds those that have to be tried again, instead of the whole batch.
    What is refused for its size is `too_large`.
    """

    delivered: bool = False
    retry: bool = False
    after_seconds: float = 0.0
    rejected: int = 0
    reason: str = ""
    left: Batch | None = None
    too_large: bool = False


class HttpSender:
    """Posts batches to `endpoint`/v1/<signal>, or to `endpoint` as it is if it is `complete`.

    `heard` is told what the header `Vedette-Log-Levels` of an answer says. Not thread-safe: the sending thread owns it.
    """

    def __init__(
        self,
        endpoint: str,
        headers: Mapping[str, str],
        timeout_seconds: float,
        heard: Callable[[str], None] | None = None,
        trust: Trust | None = None,
        *,
        complete: bool = False,
    ) -> None:
        kind = {"Content-Type": "application/x-protobuf"}
        self._connection = Connection(endpoint, kind | dict(headers), timeout_seconds, trust or Trust())
        self._complete = complete
        self.host = self._connection.host
        self._heard = heard

    def send(self, batch: Batch, timeout_seconds: float | None = None) -> Outcome:
        """Deliver one batch. Every failure is an outcome; nothing is raised."""
        headers = {"Idempotency-Key": batch.key}
        if batch.encoding:
            headers["Content-Encoding"] = batch.encoding
        path = "" if self._complete else f"/v1/{batch.signal}"
        try:
            answer = self._connection.post(path, batch.body, headers, timeout_seconds, _LONGEST_ANSWER)
        except BROKEN as error:
            return Outcome(retry=True, reason=f"{type(error).__name__}: {error}")
        levels = answer.headers.get(LEVELS_HEADER)
        if levels is not None and self._heard is not None:
            self._heard(levels)
        return _outcome(answer)

    def close(self) -> None:
        """Close the connection; the next batch opens another."""
        self._connection.close()


def _outcome(answer: Answer) -> Outcome:
    status = answer.status
    if 200 <= status < 300:
        rejected, reason = partial_success(answer.body)
        return Outcome(delivered=True, rejected=rejected, reason=reason)
    if status in RETRYABLE:
        return Outcome(retry=True, after_seconds=seconds_of(answer.headers.get("Retry-After")), reason=f"HTTP {status}")
    text = answer.body[:200].decode("utf-8", "replace")
    elsewhere = f" to {answer.headers.get('Location')!r}" if 300 <= status < 400 else ""  # it has to be set there
    return Outcome(reason=f"HTTP {status}{elsewhere} {text!r}", too_large=status == _TOO_LARGE)
