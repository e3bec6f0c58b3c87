"""The standard library's `LogRecord`s, made in less than half of the time.

Most of a record's attributes are the same whenever the same line of the program logs (file, module, function, line),
yet are worked out anew each time. Here they are kept by the place of the call. The records are true `LogRecord`s with
every attribute that the standard library gives them.
"""

from __future__ import annotations

import logging
import os
import sys
import threading
from collections.abc import Mapping
from logging import LogRecord, getLevelName
from threading import current_thread, get_ident
from time import time, time_ns
from typing import Any

__all__ = ["install", "remove"]

_MOST_PLACES = 4096
# What is worked out below for each record; everything else is kept. A Python that has others is left alone.
_CHANGING = frozenset(
    ("msg", "args", "exc_info", "exc_text", "stack_info", "created", "msecs", "relativeCreated", "thread", "threadName",
     "processName", "process", "levelname", "taskName")
)  # fmt: skip
_KEPT = frozenset(("name", "levelno", "pathname", "filename", "module", "lineno", "funcName"))
_NANOSECONDS = sys.version_info >= (3, 13)  # what `logging` counts the time in
_start: Any = getattr(logging, "_startTime", None)
_blank = LogRecord.__new__
_level_names: dict[int, str] = getattr(logging, "_levelToName", {})
_threads: dict[int, threading.Thread] = getattr(threading, "_active", {})
_process = [0]
_places: dict[tuple[Any, ...], dict[str, Any]] = {}


def _record(
    name: str,
    level: int,
    pathname: str,
    lineno: int,
    msg: Any,
    args: Any,
    exc_info: Any,
    func: str | None = None,
    sinfo: str | None = None,
    **_: Any,
) -> LogRecord:
    """What `LogRecord(...)` gives."""
    place = _places.get((name, level, pathname, lineno, func))
    if place is None or not (logging.logThreads and logging.logProcesses and logging.logMultiprocessing):
        made = LogRecord(name, level, pathname, lineno, msg, args, exc_info, func, sinfo)
        if len(_places) >= _MOST_PLACES:
            _places.clear()
        _places[name, level, pathname, lineno, func] = {**made.__dict__, "exc_text": None}
        return made
    held = place.copy()
    held["msg"] = msg
    held["args"] = args[0] if args and len(args) == 1 and isinstance(args[0], Mapping) and args[0] else args
    held["exc_info"] = exc_info
    held["stack_info"] = sinfo
    held["levelname"] = _level_names.get(level) or getLevelName(level)
    if _NANOSECONDS:
        now = time_ns()
        held["created"] = now / 1e9
        held["msecs"] = (now % 1_000_000_000) // 1_000_000 + 0.0
        held["relativeCreated"] = (now - _start) / 1e6
    else:
        held["created"] = at = time()
        held["msecs"] = int((at - int(at)) * 1000) + 0.0
        held["relativeCreated"] = (at - _start) * 1000
    held["thread"] = ident = get_ident()
    thread = _threads.get(ident)
    held["threadName"] = thread.name if thread is not None else current_thread().name
    held["process"] = _process[0]
    modules = sys.modules
    if "multiprocessing" in modules:
        held["processName"] = _process_name(modules["multiprocessing"])
    if "taskName" in place:
        held["taskName"] = _task_name(modules["asyncio"]) if "asyncio" in modules else None
    record = _blank(LogRecord)
    record.__dict__ = held
    return record


def _process_name(library: Any) -> str:
    try:
        return str(library.current_process().name)
    except Exception:  # noqa: BLE001 - as the standard library does
        return "MainProcess"


def _task_name(library: Any) -> str | None:
    try:
        return str(library.current_task().get_name()) if getattr(logging, "logAsyncioTasks", True) else None
    except Exception:  # noqa: BLE001 - as the standard library does: there is no loop, or no task
        return None


def _remember_process() -> None:
    if not _process[0] and hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=_remember_process)
    _process[0] = os.getpid()


def install() -> None:
    """Let the standard library make its records here, unless the program has a factory of its own."""
    known = logging.makeLogRecord({}).__dict__.keys()
    if logging.getLogRecordFactory() is LogRecord and _start is not None and known <= _CHANGING | _KEPT:
        _places.clear()
        _remember_process()
        logging.setLogRecordFactory(_record)


def remove() -> None:
    """Let it make them as before."""
    if logging.getLogRecordFactory() is _record:
        logging.setLogRecordFactory(LogRecord)
