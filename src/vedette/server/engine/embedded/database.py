"""chDB behind a small interface of our own: statements, inserts, kills. Every method blocks; call it from a thread."""

from __future__ import annotations

import contextlib
import os
import re
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from chdb import _chdb

from vedette.server.engine.embedded.connections import KeptConnections
from vedette.server.engine.embedded.deduplication import forget_inserts_without_parts
from vedette.server.engine.embedded.failures import Failure, parse_failure
from vedette.server.engine.embedded.spool import spooled

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from vedette.server.engine.embedded.statements import Insert

__all__ = ["Database", "Profile", "Summary", "quote"]

_MIB = 1024 * 1024
# The module under chdb's Python layer: that one wraps every result and imports pyarrow.
_connect: Callable[[str], Any] = vars(_chdb)["connect"]


# The second one is what becomes of an exception whose words are no UTF-8.
_ERRORS = (RuntimeError, UnicodeDecodeError)
_PARAMETER = "param_"
_WRITABLE = frozenset({b"0", b"false"})


@dataclass(frozen=True, slots=True)
class Summary:
    """What a statement did, for ``X-ClickHouse-Summary``."""

    read_rows: int = 0
    read_bytes: int = 0
    written_rows: int = 0
    written_bytes: int = 0
    result_rows: int = 0
    result_bytes: int = 0
    elapsed_seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Profile:
    """How one request wants its statement run.

    Args:
        query_id: carried in ``log_comment``, because chDB gives its own id to every statement.
        settings: settings and ``param_…`` values, as bytes.
        readonly: ClickHouse's ``readonly``: 0, 1 or 2. It is set last, since nothing can be set after it.
        database: the current database, or None for the default one.
        remembered: SET and USE statements of the HTTP session, run first.
    """

    query_id: str
    settings: dict[str, bytes]
    readonly: bytes
    database: str | None
    remembered: tuple[bytes, ...] = ()


def quote(value: bytes) -> bytes:
    """A string literal of ClickHouse."""
    return b"'" + value.replace(b"\\", b"\\\\").replace(b"'", b"\\'") + b"'"


class Database:
    """The one chDB of this process.

    chDB takes the settings of the ClickHouse server as arguments of the first connection's string; they hold until the
    last connection is closed, so one connection is kept open for the life of the process.

    Args:
        path: the directory of the database; it is locked by this process.
        max_memory_bytes: what all statements, merges and caches together may use; one statement may use half of it
            unless it brings its own ``max_memory_usage``.
        backups: the directory that BACKUP and RESTORE may use, or None.

    Raises:
        Failure: the directory is locked by another process, or cannot be opened.
    """

    def __init__(self, path: Path, *, max_memory_bytes: int, backups: Path | None = None) -> None:
        self._path = str(path)
        self._folder = path
        server_settings = _server_settings(max_memory_bytes)
        if backups is not None:
            server_settings["backups.allowed_path"] = backups
        arguments = "&".join(f"{name}={value}" for name, value in server_settings.items())
        self._statement_memory = str(max_memory_bytes // 2).encode()
        forget_inserts_without_parts(path)
        try:
            self._root = _connect(f"{path}?{arguments}")
            about = self._root.query("SELECT version(), timezone()", "TSV").bytes().decode().split()
            formats = self._root.query("SELECT name, content_type FROM system.formats WHERE is_output", "TSV").bytes()
        except _ERRORS as error:
            raise _failure(error) from None
        self._kept = KeptConnections(lambda: _connect(self._path))
        self.version, self.timezone = about
        self.content_types: dict[str, str] = dict(line.split("\t") for line in formats.decode().splitlines())

    def close(self) -> None:
        """Close the engine. Statements must have ended."""
        self._kept.close()
        self._root.close()

    def answer(self, profile: Profile, head: bytes, tail: bytes, descriptor: int, compression: str | None) -> Summary:
        """Run a statement that has an answer and write the answer to a pipe, which is closed at the end.

        The clause INTO OUTFILE gives what chDB's own result stream does not: every format whole (its chunks are
        separate documents in formats with a frame, such as JSON or Parquet) and a bound on memory, since a pipe that
        nobody reads stops the engine.
        """
        clause = b"\nINTO OUTFILE '/dev/fd/%d' TRUNCATE " % descriptor
        if compression is not None:
            clause += b"COMPRESSION %b " % quote(compression.encode())
        try:
            with self._reading(profile) as query:
                return _summary(query(head + clause + tail, "Null"))
        finally:
            os.close(descriptor)

    def execute(self, profile: Profile, sql: bytes, fmt: str) -> tuple[bytes, Summary]:
        """Run a statement whose answer, if any, is small."""
        with self._connection(profile) as connection:
            result = connection.query(sql, fmt)
            return result.bytes(), _summary(result)

    def insert(self, profile: Profile, insert: Insert, data: Iterator[bytes]) -> Summary:
        """Insert `data`; when the iterator raises, nothing is written.

        Raises:
            Failure: the engine refused, whichever of the tables behind the views it was for; or the data found no room.
        """
        if profile.readonly not in _WRITABLE:
            raise Failure(164, "READONLY", "Cannot execute query in readonly mode")
        with spooled(data, self._folder / "tmp") as descriptor, self._connection(profile) as connection:
            source = b"\nFROM INFILE '/dev/fd/%d' %b\nFORMAT " % (descriptor, insert.settings)
            return _summary(connection.query(insert.sql + source + insert.fmt.encode(), "Null"))

    def kill(self, query_id: str | None) -> None:
        """Ask the statement of this id, or all of them, to stop; it is not waited for."""
        condition = b"1"
        if query_id is not None:
            condition = b"Settings['log_comment'] = " + quote(self._kept.retire(query_id).encode())
        connection = _connect(self._path)
        try:
            connection.query(b"KILL QUERY WHERE " + condition + b" ASYNC", "Null")
        except _ERRORS as error:
            raise _failure(error) from None
        finally:
            connection.close()

    def by_our_ids(self, sql: bytes) -> bytes:
        """A KILL QUERY that knows statements by their ids of HTTP, and not by those that chDB gives them."""
        marks = self._kept.retire_all()
        ours = b"Settings['log_comment']"
        if marks:
            lists = (b",".join(quote(name.encode()) for name in names) for names in (marks.values(), marks.keys()))
            ours = b"transform(%b, [%b], [%b], %b)" % (ours, *lists, ours)
        return re.sub(rb"\bquery_id\b", lambda _: ours, sql)

    @contextlib.contextmanager
    def _reading(self, profile: Profile) -> Iterator[Callable[..., Any]]:
        """How to run a query: on a kept connection if nothing that it does can stay there."""
        if profile.readonly != b"1" or profile.remembered:
            with self._connection(profile) as connection:
                yield connection.query
            return
        parameters = {name: value for name, value in profile.settings.items() if name.startswith(_PARAMETER)}
        settings = {name: value for name, value in profile.settings.items() if name not in parameters}
        try:
            beside = {name.removeprefix(_PARAMETER): value.decode() for name, value in parameters.items()}
        except UnicodeDecodeError:
            # Beside a statement chDB takes text only; as a setting a parameter stays on a connection, where a query that
            # lacks it would find it.
            beside = {}
        kind = (profile.database, *sorted(settings.items()), *(() if beside else parameters))
        with self._kept.use(profile.query_id, kind) as kept:
            try:
                if kept.is_new:
                    self._prepare(kept.connection, replace(profile, query_id=kept.mark, settings=settings))
                if parameters and not beside:
                    kept.connection.query(_set(parameters), "Null")
                yield partial(kept.connection.query, params=beside)
            except _ERRORS as error:
                raise _failure(error) from None

    @contextlib.contextmanager
    def _connection(self, profile: Profile) -> Iterator[Any]:
        """A fresh connection: settings stay on a connection, and ``readonly`` cannot be taken back from one."""
        connection = _connect(self._path)
        try:
            self._prepare(connection, profile)
            yield connection
        except _ERRORS as error:
            raise _failure(error) from None
        finally:
            connection.close()

    def _prepare(self, connection: Any, profile: Profile) -> None:  # noqa: ANN401 - chDB has no annotations
        for statement in profile.remembered:
            connection.query(statement, "Null")
        if profile.database:
            name = profile.database.replace("\\", "\\\\").replace("`", "\\`")
            connection.query(f"USE `{name}`", "Null")
        connection.query(self._preamble(profile), "Null")

    def _preamble(self, profile: Profile) -> bytes:
        values = {
            "max_memory_usage": self._statement_memory,
            # Threads for formatting cost a third of a small statement, and many statements run at once anyway.
            "output_format_parallel_formatting": b"0",
            # Threads that parse would cut an insert into blocks, and its repeat would be taken for another one.
            "input_format_parallel_parsing": b"0",
            **profile.settings,
            "log_comment": profile.query_id.encode(),
        }
        if profile.readonly not in _WRITABLE:
            values["readonly"] = profile.readonly
        return _set(values)


def _set(values: Mapping[str, bytes]) -> bytes:
    return b"SET " + b", ".join(name.encode() + b" = " + quote(value) for name, value in values.items())


def _server_settings(max_memory_bytes: int) -> dict[str, object]:
    """ClickHouse server settings that make it a small neighbour instead of the owner of the machine."""
    cache = max(8 * _MIB, max_memory_bytes // 16)
    return {
        "max_server_memory_usage": max_memory_bytes,
        "mark_cache_size": cache,
        "primary_index_cache_size": cache,
        "index_mark_cache_size": cache // 2,
        "text_index_tokens_cache_size": cache // 4,
        "text_index_header_cache_size": cache // 4,
        "text_index_postings_cache_size": cache // 2,
        "vector_similarity_index_cache_size": _MIB,
        "unique_key_index_cache_size_bytes": _MIB,
        "uncompressed_cache_size": 0,
        "query_condition_cache_size": 16 * _MIB,
        "iceberg_metadata_files_cache_size": _MIB,
        "parquet_metadata_cache_size": _MIB,
        "compiled_expression_cache_size": 16 * _MIB,
        "max_thread_pool_size": 1000,
        "max_thread_pool_free_size": 16,
        "memory_worker_period_ms": 1000,
    }


def _failure(error: RuntimeError | UnicodeDecodeError) -> Failure:
    words = error.object.decode("utf-8", "replace") if isinstance(error, UnicodeDecodeError) else str(error)
    return parse_failure(words)


def _summary(result: Any) -> Summary:  # noqa: ANN401 - chDB's result types have no annotations
    return Summary(
        read_rows=result.storage_rows_read(),
        read_bytes=result.storage_bytes_read(),
        written_rows=result.rows_written(),
        written_bytes=result.bytes_written(),
        result_rows=result.rows_read(),
        result_bytes=result.bytes_read(),
        elapsed_seconds=result.elapsed(),
    )
