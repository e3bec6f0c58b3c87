"""Puts the log path together from the settings."""

from __future__ import annotations

import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

from opentelemetry import _logs

from vedette.sdk.logs import stdlib
from vedette.sdk.logs.files import LogFile, LogStream, Writer
from vedette.sdk.logs.gate import Gate
from vedette.sdk.logs.lines import ConsoleLines, JsonLines, Lines
from vedette.sdk.logs.logger import desk, retroactive, safely, set_levels
from vedette.sdk.logs.provider import LoggerProvider
from vedette.sdk.logs.waiting import WaitingRecords

if TYPE_CHECKING:
    from collections.abc import Callable

    from vedette.sdk.logs.records import Record
    from vedette.sdk.redaction import Redactor
    from vedette.sdk.settings import Settings
    from vedette.sdk.traces.tail import TailBuffer

__all__ = ["close_desk", "lines_of", "open_desk", "writer_of"]

_DEBUG = 10
_FORMATS = {"production": "json", "prod": "json", "development": "console", "dev": "console", "local": "console"}


def lines_of(settings: Settings, service: str, redactor: Redactor) -> Lines | None:
    """How lines look: as `log_format` says, by default as the environment asks, else for people on a terminal."""
    terminal = settings.log_file is None and sys.stdout is not None and sys.stdout.isatty()
    form = settings.log_format
    if form == "auto":
        form = _FORMATS.get((settings.environment or "").lower(), "console" if terminal else "json")
    if form == "none":
        return None
    if form == "console":
        return ConsoleLines(redactor, colour=terminal)
    return JsonLines(service, redactor)


def writer_of(settings: Settings) -> Writer:
    """Where lines go: `log_file`, by default stdout."""
    if settings.log_file is None:
        return LogStream()
    return LogFile(
        Path(settings.log_file),
        rotate_bytes=settings.log_rotate_bytes,
        rotate_seconds=settings.log_rotate_seconds,
        keep_files=settings.log_keep_files,
        keep_seconds=settings.log_keep_seconds,
    )


def open_desk(
    settings: Settings,
    queue: list[Any],
    lines: Lines | None,
    writer: Writer | None,
    wake: Callable[[], None],
    tail: TailBuffer | None,
    redactor: Redactor,
) -> None:
    """Let records in: to the queue, and with `log_buffer` off to the writer at once as well.

    With `tail_keep_debug`, `tail` keeps debug records until their traces are decided on.
    """
    sink: Callable[[Any], None] = WaitingRecords(queue, settings.queue_size, wake)
    if lines is not None and writer is not None and not settings.log_buffer:
        sink = _at_once(sink, lines, writer)
    if settings.log_to_stdlib:
        sink = stdlib.handing_on(sink, redactor)
    levels: dict[str, Any] = {"": settings.log_level, **settings.log_levels}
    desk.gate = Gate(settings.log_rate, settings.log_sample) if settings.log_rate else None
    desk.floor = None
    if tail is not None and settings.tail_keep_debug:
        desk.floor = _DEBUG
        sink = retroactive(sink, tail.hold)
    set_levels(levels, sink)
    if settings.log_stdlib:
        wanted = {name: min(level, desk.floor or level) for name, level in levels.items()}
        stdlib.install(wanted, marked=settings.log_to_stdlib)
    if not isinstance(_logs.get_logger_provider(), LoggerProvider):
        _logs.set_logger_provider(LoggerProvider())


def _at_once(send: Callable[[Any], None], lines: Lines, writer: Writer) -> Callable[[Any], None]:
    lock = threading.RLock()  # a signal handler that logs may run while its own thread writes

    def write(record: Record) -> None:
        with lock:
            writer.write(lines.format(record), 1)
        send(record)

    return safely(write)


def close_desk() -> None:
    """Let no more records in; loggers write through the standard library again."""
    stdlib.remove()
    desk.gate = None
    desk.floor = None
    set_levels(desk.levels, None)
