"""Connections to the control database: SQLite by default, PostgreSQL by URL.

Every failure to reach, read or lock the database becomes one sentence that names the database without its password.
"""

from __future__ import annotations

import errno
import os
import sqlite3
import stat
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, SQLAlchemyError

from vedette.errors import SettingsError, StartError, Unavailable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

__all__ = ["DATABASE_ERRORS", "available", "connect", "reading", "shown", "start_error", "unavailable", "writing"]

DATABASE_ERRORS: Final = (SQLAlchemyError, sqlite3.Error)
"""What a database that cannot be used raises; `sqlite3`'s own come from preparing a new connection."""

BUSY_TIMEOUT_SECONDS: Final = 5.0
"""How long a statement waits for another process that is writing."""

_POSTGRESQL_DEFAULTS: Final = {
    "application_name": "vedette",
    "connect_timeout": "5",  # seconds
    # A database that vanished without a word is noticed within about ten seconds, not after the kernel's hours.
    "keepalives_idle": "5",
    "keepalives_interval": "2",
    "keepalives_count": "3",
    "tcp_user_timeout": "10000",  # milliseconds
}
PRIVATE_MODE: Final = 0o600
_BEGIN: Final = "vedette_begin"


def connect(url: str) -> Engine:
    """Return an engine for `url`: ``sqlite:////path/control.db`` or ``postgresql://user:password@host/name``.

    A SQLite file is made if it is missing, with its directory, readable by its owner only.

    Raises:
        SettingsError: `url` is no such URL.
        StartError: the file cannot be made or made private.
    """
    parsed = _parse(url)
    if parsed.get_backend_name() == "sqlite":
        _make_private(Path(parsed.database or ""))
        engine = create_engine(parsed, connect_args={"timeout": BUSY_TIMEOUT_SECONDS, "check_same_thread": False})
        event.listen(engine, "connect", _configure_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
        return engine
    return create_engine(
        parsed.set(query={**_POSTGRESQL_DEFAULTS, **parsed.query}),
        # Server-side prepared statements do not survive a pooler such as PgBouncer between us and the database.
        connect_args={"prepare_threshold": None},
        # A connection that the database or something between has closed is noticed before it is used.
        pool_pre_ping=True,
        pool_size=2,
        max_overflow=3,
    )


@contextmanager
def reading(engine: Engine) -> Iterator[Connection]:
    """Give a connection with one consistent view; nothing is written."""
    with engine.connect() as connection:
        yield connection


@contextmanager
def writing(engine: Engine) -> Iterator[Connection]:
    """Give a connection inside a transaction, committed at the end unless an exception passes.

    On SQLite the write lock is taken at once: a transaction that reads first and then turns into a writer would be
    refused when another process wrote in between, whatever the busy timeout.
    """
    with engine.execution_options(**{_BEGIN: "IMMEDIATE"}).begin() as connection:
        yield connection


@contextmanager
def available(opened: Callable[[Engine], AbstractContextManager[Connection]], engine: Engine) -> Iterator[Connection]:
    """Give a connection by `reading` or `writing` for a request.

    Raises:
        Unavailable: the database cannot be used just now.
    """
    try:
        with opened(engine) as connection:
            yield connection
    except DATABASE_ERRORS as error:
        raise unavailable(engine, error) from error


def shown(engine: Engine) -> str:
    """Return how a message names the database: a path, or a URL without its password."""
    if engine.dialect.name == "sqlite":
        return str(engine.url.database)
    return engine.url.set(query={}).render_as_string(hide_password=True)


def start_error(engine: Engine, error: Exception) -> StartError:
    """Return the sentence for a database that cannot be used at start."""
    name = shown(engine)
    reason = _reason(error)
    if engine.dialect.name != "sqlite":
        return StartError(
            f"Cannot use the control database {name}: {reason}. "
            "Check that PostgreSQL runs there and that --control-url names a database that this user may change."
        )
    if "locked" in reason or "busy" in reason:
        return StartError(
            f"The control database {name} is locked by another process; stop what holds it, then start again."
        )
    if "not a database" in reason or "malformed" in reason:
        return StartError(
            f"{name} is not a readable control database ({reason}); restore it from a backup or move it away, "
            "and a new one will be made."
        )
    return StartError(
        f"Cannot use the control database {name}: {reason}. "
        "Check that its directory and the file belong to the user that runs Vedette and that the disk is not full."
    )


def unavailable(engine: Engine, error: Exception) -> Unavailable:
    """Return the error for a database that fails while the server runs."""
    return Unavailable(
        f"The control database {shown(engine)} does not answer: {_reason(error)}. Try again in a moment."
    )


def _reason(error: Exception) -> str:
    """Return the driver's first line, without the statement and its parameters that SQLAlchemy adds."""
    text = str(error.orig if isinstance(error, DBAPIError) and error.orig else error).strip()
    return text.splitlines()[0].rstrip(".") if text else type(error).__name__


def _parse(url: str) -> URL:
    example = "write sqlite:////path/control.db or postgresql://user:password@host/database"
    try:
        parsed = make_url(url)
        backend = parsed.get_backend_name()
    except (ArgumentError, ValueError):
        # The text is not repeated: it may hold a password.
        raise SettingsError(f"The setting control_url is not a database URL; {example}.") from None
    if backend == "sqlite":
        if parsed.database in {None, "", ":memory:"}:
            raise SettingsError(f"The setting control_url names no file; {example}.")
        return parsed
    if backend in {"postgresql", "postgres"}:
        return parsed.set(drivername="postgresql+psycopg")
    raise SettingsError(
        f"The setting control_url names {backend}, and control state lives in SQLite or PostgreSQL; {example}."
    )


def _make_private(path: Path) -> None:
    """Make the file with mode 0600; SQLite gives its WAL and shared-memory files the same mode.

    A file that exists is never opened here: closing any descriptor of it would drop the locks that this process's
    SQLite connections hold on it (POSIX locks belong to the process, not to the descriptor).
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        try:
            os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, PRIVATE_MODE))
        except FileExistsError:
            found = path.stat()
            if not stat.S_ISREG(found.st_mode):
                raise StartError(f"The control database {path} is no regular file; give another path.") from None
            if stat.S_IMODE(found.st_mode) & ~PRIVATE_MODE and found.st_uid == os.geteuid():
                path.chmod(PRIVATE_MODE)
            if not os.access(path, os.R_OK | os.W_OK, effective_ids=True):
                raise PermissionError(errno.EACCES, os.strerror(errno.EACCES)) from None
    except OSError as error:
        raise StartError(
            f"Cannot open the control database {path}: {error.strerror}. "
            "Run as the user that owns it, or give another directory with --data-dir."
        ) from error


def _configure_sqlite(connection: sqlite3.Connection, record: object) -> None:
    del record
    # The driver must not begin transactions by itself: `_begin_sqlite` does, and DDL belongs inside them.
    connection.isolation_level = None
    _use_write_ahead_log(connection)
    connection.execute("PRAGMA synchronous = FULL")  # a revocation that was confirmed must outlive a power cut
    connection.execute("PRAGMA foreign_keys = ON")


def _use_write_ahead_log(connection: sqlite3.Connection) -> None:
    """Let readers and a writer of several processes go on side by side.

    The first switch of a new file does not honour the busy timeout, so two processes that start together wait here.
    """
    deadline = time.monotonic() + BUSY_TIMEOUT_SECONDS
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                raise
            time.sleep(0.05)
        else:
            return


def _begin_sqlite(connection: Connection) -> None:
    connection.exec_driver_sql(f"BEGIN {connection.get_execution_options().get(_BEGIN, 'DEFERRED')}")
