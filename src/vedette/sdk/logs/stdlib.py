"""The standard library's loggers go the same way, and servers that bring their own handlers follow."""

from __future__ import annotations

import logging
import sys
import threading
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any

from opentelemetry.trace.propagation import _SPAN_KEY

from vedette.sdk.context import fields as context_fields
from vedette.sdk.context import named
from vedette.sdk.guard import fault
from vedette.sdk.instrumentation.imports import when_imported
from vedette.sdk.logs import stdlib_records
from vedette.sdk.logs.logger import describe, desk
from vedette.sdk.logs.records import Captured, message_of
from vedette.sdk.traces.span import current_context
from vedette.sdk.values import SCALARS, clean, text_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from vedette.sdk.logs.records import Record
    from vedette.sdk.redaction import Redactor

__all__ = ["StdlibHandler", "handing_on", "install", "remove"]

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

    They go to `sink`, by default to wherever our loggers' records go; `marked` ones can be told from ours there.
    """

    def __init__(self, sink: Callable[[Any], None] | None = None, *, marked: bool = False) -> None:
        super().__init__(logging.NOTSET)
        self._sink = sink
        self._marked = marked

    def handle(self, record: logging.LogRecord) -> bool:
        """Capture `record`."""
        if self.filters and not self.filter(record):
            return False
        try:
            held = record.__dict__
            if len(held) == _PLAIN and not self._marked and not held["exc_info"] and not held["stack_info"]:
                channel = desk.channels[held["name"]]
                capture = channel.captures[held["levelno"]][held["msg"]]
                sink = self._sink or desk.sink
                if capture(sink, int(held["created"] * 1e9), None, held["msg"], held["args"] or (), {}):
                    return True
        except (KeyError, TypeError):  # as with our loggers: it has not come often enough, or is nothing to look up
            pass
        try:
            self.emit(record)
        except Exception as error:  # noqa: BLE001 - never raised into the host
            fault("taking a record of the standard library", error)
        return True

    def emit(self, record: logging.LogRecord) -> None:
        """Capture what can change later, and pass the record on."""
        sink = self._sink or desk.sink
        if sink is None:
            return
        message: Any = record.msg
        args: Any = record.args or ()
        held = record.__dict__
        extra: dict[str, Any] = {}
        if len(held) > _PLAIN:
            extra = {key: clean(value) for key, value in held.items() if key not in _STANDARD}
        if record.stack_info:
            extra["stack_info"] = record.stack_info
        channel = desk.channels.get(record.name) or desk.channel(record.name)
        at, level = int(record.created * 1e9), record.levelno
        plain = type(message) is str and type(args) is tuple and not record.exc_info and not self._marked
        if type(message) is not str or type(args) is not tuple or not _is_scalar(map(type, args)):
            message, args, plain = _message(record), (), False
        # What is found is found by our loggers of this name as well, which a limit on messages holds back.
        if plain and channel.gate is None and _is_scalar(map(type, extra.values())):
            capture = desk.sites.find(channel, level, message, args, extra)
            if capture is not None and capture(sink, at, None, message, args, extra):
                return
        exception, fields, span = None, context_fields.get(), current_context().get(_SPAN_KEY)
        if record.exc_info and record.exc_info[1] is not None:
            exception = describe(record.exc_info[1])
            request = desk.origin(record.exc_info[1]) if span is None else None
            if request is not None:
                fields, span = request.fields, request.span
        made = Captured(at, level, channel, message, args, extra, None, fields, span, exception).record()
        sink(_Theirs(made) if self._marked else made)


class _Theirs(tuple[Any, ...]):
    """A record that came by the standard library, whose handlers have seen it."""

    __slots__ = ()


_handing = threading.local()
_PACKAGE = str(Path(__file__).parents[2])


def handing_on(sink: Callable[[Any], None], redactor: Redactor) -> Callable[[Any], None]:
    """A sink that hands our loggers' records to the program's own handlers as well.

    They come redacted, and as if they had been logged by the standard library's logger of the same name.
    """

    def hand_on(record: Record) -> None:
        sink(record)
        if type(record) is _Theirs or getattr(_handing, "busy", False):  # a handler may log, too
            return
        _handing.busy = True
        try:
            _give(record, redactor)
        except Exception as error:  # noqa: BLE001 - a handler of the program's may do anything
            fault("handing a record to the standard library's handlers", error)
        finally:
            _handing.busy = False

    return hand_on


def _give(record: Record, redactor: Redactor) -> None:
    made, site = None, record[0]
    logger: logging.Logger | None = logging.getLogger(site.channel.name or None)
    while logger is not None:
        for handler in logger.handlers:
            if type(handler) is not StdlibHandler and site.level >= handler.level:
                made = made or _as_theirs(site.captured(record), redactor)
                handler.handle(made)
        logger = logger.parent if logger.propagate else None


def _as_theirs(captured: Captured, redactor: Redactor) -> logging.LogRecord:
    """One of our records as the standard library's, with the fields as attributes."""
    frame: Any = sys._getframe(2)
    while frame.f_back is not None and frame.f_code.co_filename.startswith(_PACKAGE):
        frame = frame.f_back
    code, text = frame.f_code, redactor.text(message_of(captured))
    made = logging.LogRecord(
        captured.channel.name or "root", captured.level, code.co_filename, frame.f_lineno, text, (), None, code.co_name
    )
    for key, value in {**named(captured.context), **(captured.bound or {}), **captured.fields}.items():
        if key not in _STANDARD:
            made.__dict__[key] = redactor.value(str(key), value)
    if captured.exception is not None:
        made.exc_info, made.exc_text = sys.exc_info(), redactor.text(captured.exception["stack"])
    return made


def _message(record: logging.LogRecord) -> str:
    try:
        return record.getMessage()
    except Exception:  # noqa: BLE001 - a wrong format, or a host object's __str__
        text = text_of(record.msg)
        return f"{text} {text_of(record.args)}" if record.args else text


_handler: StdlibHandler | None = None
_displaced: list[tuple[logging.Logger, logging.Handler]] = []


def install(levels: dict[str, int], *, marked: bool = False) -> None:
    """Let the root logger, and those of servers, write through the desk instead of to their streams.

    Only plain stream handlers are taken off; files, Sentry and the like stay. So it is again after a framework has
    configured `logging` anew; the levels that it sets hold then.
    """
    global _handler  # noqa: PLW0603 - one handler per process
    remove()
    _handler = StdlibHandler(marked=marked)
    _take_over(_handler)
    stdlib_records.install()
    for name, level in levels.items():
        logging.getLogger(name or None).setLevel(level)
    when_imported("logging.config", _follow_configurations)
    when_imported("gunicorn.glogging", _follow_gunicorn)
    when_imported("gunicorn.workers.base", _follow_gunicorn_workers)


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


def _follow_gunicorn() -> None:
    """It gives its loggers handlers when it starts, which may be after us."""
    kind: Any = sys.modules["gunicorn.glogging"].Logger
    if not hasattr(kind.setup, "__wrapped__"):
        kind.setup = _and_take_over(kind.setup, anew=False)


def _follow_gunicorn_workers() -> None:
    """Uvicorn's workers give uvicorn's loggers those of gunicorn before they load the application."""
    kind: Any = sys.modules["gunicorn.workers.base"].Worker
    if not hasattr(kind.load_wsgi, "__wrapped__"):
        kind.load_wsgi = _and_take_over(kind.load_wsgi, anew=False)


def _and_take_over(configure: Callable[..., Any], *, anew: bool = True) -> Callable[..., Any]:
    @wraps(configure)
    def configured(*args: Any, **kwargs: Any) -> Any:
        result = configure(*args, **kwargs)
        if _handler is not None:
            if anew:
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
