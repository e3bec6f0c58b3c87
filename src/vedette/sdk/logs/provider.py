"""OpenTelemetry's logs API (`opentelemetry._logs`): instrumentations that emit events reach the same way."""

from __future__ import annotations

from time import time_ns
from typing import TYPE_CHECKING, Any

from opentelemetry import _logs as api
from opentelemetry.context import get_current
from opentelemetry.trace.propagation import _SPAN_KEY

from vedette.sdk.guard import fault
from vedette.sdk.logs.logger import describe, desk
from vedette.sdk.logs.records import Captured, Channel
from vedette.sdk.resource import Scope
from vedette.sdk.values import clean, clean_mapping

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["LoggerProvider"]

_LEVEL_STEPS = (5, 10, 20, 30, 40, 50)


class _EventLogger(api.Logger):
    def __init__(self, scope: Scope) -> None:
        super().__init__(scope.name, scope.version, scope.schema_url, scope.attributes)
        self._channel = Channel(scope.name, 0, scope)

    def enabled(self, *, context: Any = None, severity_number: Any = None, event_name: str | None = None) -> bool:
        """Whether records are taken at all."""
        return desk.sink is not None

    def emit(self, record: Any = None, **fields: Any) -> None:
        """Take a record, given whole or by its fields."""
        sink = desk.sink
        if sink is None:
            return
        try:
            sink(self._captured(record if record is not None else api.LogRecord(**fields)).record())
        except Exception as error:  # noqa: BLE001 - never raised into the host
            fault("taking an event", error)

    def _captured(self, record: Any) -> Captured:
        number = getattr(record.severity_number, "value", record.severity_number) or 0
        context = record.context if record.context is not None else get_current()
        error = getattr(record, "exception", None)
        return Captured(
            record.timestamp or record.observed_timestamp or time_ns(),
            _LEVEL_STEPS[max(0, min(5, (number - 1) // 4))] if number else 20,
            self._channel,
            clean(record.body),
            (),
            clean_mapping(record.attributes) if record.attributes else {},
            None,
            None,
            context.get(_SPAN_KEY),
            describe(error) if error is not None else None,
            record.event_name or "",
            (number, record.severity_text or ""),
        )


class LoggerProvider(api.LoggerProvider):
    """Makes loggers whose records go where all records go."""

    def get_logger(
        self,
        name: str,
        version: str | None = None,
        schema_url: str | None = None,
        attributes: Mapping[str, Any] | None = None,
    ) -> api.Logger:
        """The logger of an instrumentation scope."""
        return _EventLogger(Scope(name, version, schema_url, attributes))
