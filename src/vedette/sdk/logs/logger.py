"""`get_logger`: loggers whose keyword arguments are fields.

Before `configure` they write through the standard library's logger of the same name.
"""

from __future__ import annotations

import logging
import sys
from time import time_ns
from traceback import format_stack
from typing import TYPE_CHECKING, Any

from opentelemetry.trace.propagation import _SPAN_KEY

from vedette.sdk.context import fields as context_fields
from vedette.sdk.context import named
from vedette.sdk.guard import fault
from vedette.sdk.hints import Absent
from vedette.sdk.locks import lock_of
from vedette.sdk.logs.records import Captured, Channel, Record, message_of
from vedette.sdk.logs.sites import Sites
from vedette.sdk.resource import Scope
from vedette.sdk.traces.span import current_context, format_exception
from vedette.sdk.values import SCALARS, clean, clean_mapping, text_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from types import CodeType

    from vedette.sdk.logs.gate import Gate

__all__ = ["LogDesk", "Logger", "describe", "desk", "get_logger", "log_failure", "set_level"]

_DEBUG, _INFO, _WARNING, _ERROR, _CRITICAL = 10, 20, 30, 40, 50
_OFF = 1 << 30
_NAMES_HERE = {
    "warn": "warning",
    "fatal": "critical",
    "success": "info",
    "trace": "log(5, …)",
    "isEnabledFor": "is_enabled_for",
    "setLevel": "vedette.set_level",
    "getChild": "vedette.get_logger",
    "bind": "with_context",
    "contextualize": "vedette.context",
    "addHandler": "configure(log_to_stdlib=True) and a logger of logging",
}
"""What loggers of others have under another name."""
_is_scalar = SCALARS.issuperset


class LogDesk:
    """Where records are handed in. `sink` takes each captured record; without one the standard library does."""

    def __init__(self) -> None:
        self.sink: Callable[[Any], None] | None = None
        self.levels: dict[str, int] = {"": _INFO}
        self.channels: dict[str, Channel] = {}
        self.gate: Gate | None = None
        self.floor: int | None = None  # records from this level on are captured, for traces that may be kept
        self.sites = Sites()
        self.origins: dict[CodeType, Callable[[dict[str, Any]], Any]] = {}
        """Functions that watch requests, and how to find what was begun (`span`, `fields`) among their variables."""
        self._lock = lock_of(self)

    def origin(self, error: BaseException) -> Any:
        """The request that `error` came out of, by its traceback: servers log it when the request is over."""
        at = error.__traceback__
        while at is not None:
            find = self.origins.get(at.tb_frame.f_code)
            if find is not None:
                return find(at.tb_frame.f_locals)
            at = at.tb_next
        return None

    def channel(self, name: str) -> Channel:
        """The channel of a logger's name."""
        found = self.channels.get(name)
        if found is None:
            with self._lock:
                found = self.channels.setdefault(name, Channel(name, 0, Scope(name, None, None, None)))
                self._adjust(found)
        return found

    def _adjust(self, channel: Channel) -> None:
        channel.threshold = self.level_of(channel.name)
        channel.level = channel.threshold if self.floor is None else min(channel.threshold, self.floor)
        channel.gate = self.gate
        channel.forget()

    def level_of(self, name: str) -> int:
        """The level that is set for `name` or the nearest of its parents (`a` of `a.b`); before `configure`, any."""
        if self.sink is None:
            return 0
        while name not in self.levels:
            name = name.rpartition(".")[0]
        return self.levels[name]

    def refresh(self) -> None:
        """Let the channels follow a change of levels, sink or gate."""
        for channel in list(self.channels.values()):
            self._adjust(channel)

    def redirect(self, sink: Callable[[Any], None] | None) -> None:
        """Hand records to another sink from now on, also those that the standard library's handler brings."""
        self.sink = sink
        self.sites = Sites(sink)
        self.refresh()


desk = LogDesk()


def describe(error: BaseException) -> dict[str, str]:
    """An exception as `type`, `message` and `stack`."""
    kind = type(error)
    name = kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
    return {"type": name, "message": text_of(error), "stack": format_exception(error)}


def log_failure(span: Any, error: BaseException) -> None:
    """Log an exception that leaves the first span of a trace in this process."""
    sink, channel = desk.sink, desk.channel("vedette.exceptions")
    if sink is None or channel.level > _ERROR:
        return
    message = f"{span.name} failed"
    if channel.gate is None or channel.gate.admit(channel, _ERROR, message, sink):
        fields = context_fields.get()
        sink(Captured(time_ns(), _ERROR, channel, message, (), {}, None, fields, span, describe(error)).record())


def _exception(exc_info: Any) -> dict[str, str] | None:
    """What `exc_info` means in the standard library: `True`, an exception, or a triple."""
    if isinstance(exc_info, BaseException):
        return describe(exc_info)
    if isinstance(exc_info, tuple):
        return describe(exc_info[1]) if len(exc_info) == 3 and exc_info[1] is not None else None
    error = sys.exc_info()[1] if exc_info else None
    return describe(error) if error is not None else None


def _method(level: int, words: str) -> Callable[..., None]:
    """A method of `Logger` for one of the usual levels: one call from the program to the sink where it can be."""
    place = level // 10

    def log(self: Logger, message: Any, /, *args: Any, **fields: Any) -> None:
        channel = self._channel
        if channel.level > level:
            return
        try:
            if channel.sites[place][message](desk.sink, time_ns(), self._bound, message, args, fields):
                return
        except Exception:  # noqa: BLE001, S110 - it has not come often enough, or is nothing that a dictionary holds
            pass
        _take(self, level, message, args, fields)

    log.__doc__ = words
    return log


def _take(logger: Logger, level: int, message: Any, args: tuple[Any, ...], fields: dict[str, Any]) -> None:
    """Take what no site takes: other values than before, a call that is new, an exception, a limit on messages."""
    sink, channel, bound = desk.sink, logger._channel, logger._bound
    if sink is None:
        logger._through_stdlib(level, message, args, fields)
        return
    exception = None
    plain = type(message) is str and channel.gate is None
    if fields and ("exc_info" in fields or "stack_info" in fields or not _is_scalar(map(type, fields.values()))):
        fields, exception = _settled_fields(fields)
        plain = False
    if args and not _is_scalar(map(type, args)):
        args = _settled(args)
        plain = False
    if type(message) is not str:
        message = clean(message)
    if channel.gate is not None and not channel.gate.admit(channel, level, message, sink):
        return
    if plain:
        capture = desk.sites.find(channel, level, message, args, fields)
        if capture is not None and capture(sink, time_ns(), bound, message, args, fields):
            return
    span = current_context().get(_SPAN_KEY)
    sink(
        Captured(
            time_ns(), level, channel, message, args, fields, bound, context_fields.get(), span, exception
        ).record()
    )


class Logger:
    """Logs messages with fields: ``log.info("order placed", order_id=42)``.

    Positional arguments are `%` arguments of the message. `exc_info`, `extra` and `stack_info` mean what they mean in
    the standard library. Never raises.
    """

    __slots__ = ("_bound", "_channel")

    def __init__(self, channel: Channel, bound: dict[str, Any] | None = None) -> None:
        self._channel = channel
        self._bound = bound

    @property
    def name(self) -> str:
        """The logger's name."""
        return self._channel.name

    def with_context(self, **fields: Any) -> Logger:
        """A logger that puts `fields` on each of its lines."""
        bound = self._bound
        return Logger(self._channel, {**bound, **clean_mapping(fields)} if bound else clean_mapping(fields))

    def is_enabled_for(self, level: int) -> bool:
        """Whether a record of `level` (the standard library's numbers) would be logged."""
        return level >= self._channel.level

    debug = _method(_DEBUG, "Log at level debug.")
    info = _method(_INFO, "Log at level info.")
    warning = _method(_WARNING, "Log at level warning.")
    error = _method(_ERROR, "Log at level error.")
    critical = _method(_CRITICAL, "Log at level critical.")

    def exception(self, message: Any, /, *args: Any, **fields: Any) -> None:
        """Log at level error with the exception that is being handled."""
        if self._channel.level <= _ERROR:
            fields.setdefault("exc_info", True)
            self.error(message, *args, **fields)

    def log(self, level: int | str, message: Any, /, *args: Any, **fields: Any) -> None:
        """Log at a level given by its name, or as the standard library's number."""
        number = level if type(level) is int else _number_of(level)
        if self._channel.level <= number:
            _take(self, number, message, args, fields)

    def _through_stdlib(self, level: int, message: Any, args: tuple[Any, ...], fields: dict[str, Any]) -> None:
        exc_info = fields.pop("exc_info", None)
        logger = logging.getLogger(self._channel.name)
        if not logger.isEnabledFor(level):
            return
        shown = {**named(context_fields.get()), **(self._bound or {}), **fields}
        if shown:
            pairs = " ".join(f"{key}={clean(value)!r}" for key, value in shown.items())
            captured = Captured(0, level, self._channel, message, _settled(args), {}, None, None, None)
            message, args = "%s %s", (message_of(captured), pairs)
        logger.log(level, message, *args, exc_info=exc_info, stacklevel=4)


for _name, _instead in _NAMES_HERE.items():  # not in the class: for those who check types, there are no such attributes
    setattr(Logger, _name, Absent(f"Vedette's loggers have no {_name}: use {_instead}."))


def _number_of(level: Any) -> int:
    """A level that is no plain number; what means none is told, and its record is logged all the same."""
    from vedette.sdk.settings import level_number  # noqa: PLC0415 - used rarely

    try:
        return int(level_number(level))
    except Exception as error:  # noqa: BLE001 - a program may give anything
        fault("a log level", error)
        return _INFO


def _settled_fields(fields: dict[str, Any]) -> tuple[dict[str, Any], dict[str, str] | None]:
    """The fields as they are now, without `exc_info` and `extra`, and the exception that `exc_info` means."""
    if fields.get("stack_info") is True:
        fields["stack_info"] = _stack()
    elif fields.get("stack_info") is False:
        del fields["stack_info"]
    exception = _exception(fields.pop("exc_info")) if "exc_info" in fields else None
    if "extra" in fields and isinstance(fields["extra"], dict):
        fields = {**fields.pop("extra"), **fields}
    return clean_mapping(fields), exception


def _stack() -> str:
    """The way to the call of a logger, as the standard library shows it."""
    frame = sys._getframe(1)
    while frame.f_back is not None and frame.f_code.co_filename == __file__:
        frame = frame.f_back
    return "Stack (most recent call last):\n" + "".join(format_stack(frame)).rstrip("\n")


def _settled(args: tuple[Any, ...]) -> tuple[Any, ...]:
    """`%` arguments as they are now: what can change later is cleaned, or turned into text."""
    if len(args) == 1 and isinstance(args[0], dict):
        return (clean(args[0]),)
    out: list[Any] = []
    for value in args:
        try:
            if type(value) not in SCALARS and value is not None:
                text = _Text(value)
                text.shown = repr(value)
                out.append(text)
            else:
                out.append(value)
        except Exception:  # noqa: BLE001 - a host object's __str__ may do anything
            out.append(f"<{type(value).__name__}>")
    return tuple(out)


class _Text(str):
    """A `%` argument's text, which keeps for `%r` what the object's `repr` was."""

    __slots__ = ("shown",)
    shown: str

    def __repr__(self) -> str:
        return self.shown


def get_logger(name: str = "", /, **fields: Any) -> Logger:
    """The logger of this name; `fields` go on each of its lines."""
    return Logger(desk.channel(name if type(name) is str else text_of(name)), clean_mapping(fields) if fields else None)


def set_level(level: str | int, name: str = "") -> None:
    """Log from `level` on, everywhere or for `name` and the loggers below it, at once.

    Raises:
        SettingsError: the level is not known.
    """
    from vedette.sdk.settings import level_number  # noqa: PLC0415 - used rarely

    put_level(name, level_number(level))


def put_level(name: str, level: int | None) -> None:
    """Set the level of `name` and of the standard library's logger of that name; `None` leaves it to its parents."""
    if level is None:
        desk.levels.pop(name, None)
    else:
        desk.levels[name] = level
    desk.refresh()
    shown = level if level is None or desk.floor is None else min(level, desk.floor)
    logging.getLogger(name or None).setLevel(logging.NOTSET if shown is None else shown)


def set_levels(levels: Mapping[str, int], sink: Callable[[Any], None] | None) -> None:
    """Take over the levels of a configuration and its sink."""
    desk.levels = dict(levels)
    desk.redirect(sink)


def retroactive(
    log: Callable[[Any], None], hold: Callable[[Any, Callable[[Any], None]], None]
) -> Callable[[Any], None]:
    """A sink that logs what reaches its logger's level, and lets `hold` keep the rest until its trace is decided on."""

    def sink(record: Record) -> None:
        site = record[0]
        if site.level >= site.channel.threshold:
            log(record)
        else:
            hold(record, log)

    return sink


def safely(write: Callable[[Any], None]) -> Callable[[Any], None]:
    """A sink whose own failure never reaches the program."""

    def sink(record: Record) -> None:
        try:
            write(record)
        except Exception as error:  # noqa: BLE001 - never raised into the host
            fault("writing a log line", error)

    return sink
