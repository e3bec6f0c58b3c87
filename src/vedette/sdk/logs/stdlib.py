"""The standard library's loggers go the same way, and servers that bring their own handlers follow."""

from __future__ import annotations

import logging
import sys
from functools import wraps
from typing import TYPE_CHECKING, Any

from opentelemetry.trace.propagation import _SPAN_KEY

from vedette.sdk.context import fields as context_fields
from vedette.sdk.guard import fault
from vedette.sdk.instrumentation.imports import when_imported
from vedette.sdk.logs import stdlib_records
from vedette.sdk.logs.logger import describe, desk
from vedette.sdk.traces.span import current_context
from vedette.sdk.values import SCALARS, clean

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["StdlibHandler", "install", "remove"]

# Servers whose loggers do not propagate to the root by default.
_SERVERS = (
    "uvicorn",
    "uvicorn.error",
    "uvicorn.access",
    "gunicorn.error",
    "gunicorn.access",
    "hypercorn.error",
    "hypercorn.access",
)
_STANDARD = frozenset(logging.makeLogRecord({}).__dict__) | {"message", "asctime", "taskName", "_vedette"}
_is_scalar = SCALARS.issuperset
_PLAIN = len(logging.makeLogRecord({}).__dict__)


class StdlibHandler(logging.Handler):
    """Hands the standard library's records on: no lock, no formatting in the caller.

    They go to `sink`, by default to wherever our loggers' records go.
    """

    def __init__(self, sink: Callable[[Any], None] | None = None) -> None:
        super().__init__(logging.NOTSET)
        self._sink = sink

    def handle(self, record: logging.LogRecord) -> bool:
        """Capture `record`."""
        if self.filters and not self.filter(record):
            return False
        try:
            self.emit(record)
        except Exception as error:  # noqa: BLE001 - never raised into the host
            fault("taking a record of the standard library", error)
        return True

    def emit(self, record: logging.LogRecord) -> None:
        """Capture what can change later, and pass the record on."""
        message: Any = record.msg
        args: Any = record.args or ()
        if type(message) is not str or type(args) is not tuple or not _is_scalar(map(type, args)):
            message, args = _message(record), ()
        exception = None
        if record.exc_info and record.exc_info[1] is not None:
            exception = describe(record.exc_info[1])
        held = record.__dict__
        extra: dict[str, Any] = {}
        if len(held) > _PLAIN:
            extra = {key: clean(value) for key, value in held.items() if key not in _STANDARD}
        channel = desk.channels.get(record.name) or desk.channel(record.name)
        fields, span = context_fields.get(), current_context().get(_SPAN_KEY)
        at = int(record.created * 1e9)
        sink = self._sink or desk.sink
        if sink is not None:
            sink((at, record.levelno, channel, message, args, extra, None, fields, span, exception, "", None))


def _message(record: logging.LogRecord) -> str:
    try:
        return record.getMessage()
    except Exception:  # noqa: BLE001 - a wrong format, or a host object's __str__
        return f"{record.msg} {record.args!r}"


_handler: StdlibHandler | None = None
_displaced: list[tuple[logging.Logger, logging.Handler]] = []


def install(levels: dict[str, int]) -> None:
    """Let the root logger, and those of servers, write through the desk instead of to their streams.

    Only plain stream handlers are taken off; files, Sentry and the like stay. So it is again after a framework has
    configured `logging` anew; the levels that it sets hold then.
    """
    global _handler  # noqa: PLW0603 - one handler per process
    remove()
    _handler = StdlibHandler()
    _take_over(_handler)
    stdlib_records.install()
    for name, level in levels.items():
        logging.getLogger(name or None).setLevel(level)
    when_imported("logging.config", _follow_configurations)


def _take_over(own: StdlibHandler) -> None:
    root = logging.getLogger()
    for logger in (root, *(logging.getLogger(name) for name in _SERVERS)):
        for handler in list(logger.handlers):
            if type(handler) is logging.StreamHandler:
                logger.removeHandler(handler)
                _displaced.append((logger, handler))
        if logger is not root:
            logger.propagate = True
    root.addHandler(own)


_followed = False


def _follow_configurations() -> None:
    """See to it that `dictConfig` and `fileConfig`, which clear the root logger's handlers, do not end the logs."""
    global _followed  # noqa: PLW0603 - once per process
    if _followed:
        return
    _followed = True
    config: Any = sys.modules["logging.config"]
    config.DictConfigurator.configure = _and_take_over(config.DictConfigurator.configure)
    config.fileConfig = _and_take_over(config.fileConfig)


def _and_take_over(configure: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(configure)
    def configured(*args: Any, **kwargs: Any) -> Any:
        result = configure(*args, **kwargs)
        if _handler is not None:
            _displaced.clear()  # the handlers of before are gone
            _take_over(_handler)
        return result

    return configured


def remove() -> None:
    """Give the standard library's loggers their own handlers back."""
    global _handler  # noqa: PLW0603 - one handler per process
    if _handler is not None:
        logging.getLogger().removeHandler(_handler)
        _handler = None
        stdlib_records.remove()
    for logger, handler in _displaced:
        logger.addHandler(handler)
    _displaced.clear()
