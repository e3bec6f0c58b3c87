"""HTTP sessions: what ``session_id`` remembers between requests."""

from __future__ import annotations

import contextlib
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from vedette.server.engine.embedded.failures import Failure
from vedette.server.engine.embedded.statements import Insert, Statement

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Sessions"]

_MAX_SESSIONS = 1000
_MAX_STATEMENTS = 100
_MAX_STATEMENT_BYTES = 64 * 1024
_IDLE_SECONDS = 600.0


@dataclass(slots=True)
class _Session:
    statements: list[bytes] = field(default_factory=list)
    used_at: float = 0.0
    busy: bool = False


class Sessions:
    """Sessions keep the SET and USE statements that ran in them; each request runs them again on its own connection.

    Temporary tables are refused. The number of sessions, their statements and their idle time are bounded.
    """

    def __init__(self) -> None:
        self._sessions: dict[str, _Session] = {}

    @contextlib.contextmanager
    def use(self, session_id: str | None, *, must_exist: bool, close: bool) -> Iterator[list[bytes]]:
        """The statements of a session, which belongs to one request at a time.

        Raises:
            Failure: the session is in use, does not exist although it must, or there are too many.
        """
        if session_id is None:
            yield []
            return
        session = self._get(session_id, must_exist=must_exist)
        if session.busy:
            raise Failure(373, "SESSION_IS_LOCKED", f"Session {session_id} is locked by a concurrent client")
        session.busy = True
        try:
            yield session.statements
        finally:
            session.busy = False
            session.used_at = time.monotonic()
            if close:
                self._sessions.pop(session_id, None)

    def _get(self, session_id: str, *, must_exist: bool) -> _Session:
        session = self._sessions.pop(session_id, None)
        if session is None:
            if must_exist:
                raise Failure(372, "SESSION_NOT_FOUND", f"Session {session_id} not found")
            self._expire()
            session = _Session()
        self._sessions[session_id] = session  # at the end: the dictionary is ordered by last use
        return session

    def _expire(self) -> None:
        now = time.monotonic()
        for session_id, session in list(self._sessions.items()):
            too_many = len(self._sessions) >= _MAX_SESSIONS
            if session.busy:
                continue
            if not too_many and now - session.used_at < _IDLE_SECONDS:
                break
            del self._sessions[session_id]
        if len(self._sessions) >= _MAX_SESSIONS:
            raise Failure(202, "TOO_MANY_SIMULTANEOUS_QUERIES", "Too many sessions are in use")


def remember(statements: list[bytes], statement: Statement) -> None:
    """Keep a SET or USE statement that has run in a session."""
    if isinstance(statement, Insert) or statement.keyword not in {b"SET", b"USE"}:
        return
    if len(statements) >= _MAX_STATEMENTS or sum(map(len, statements)) > _MAX_STATEMENT_BYTES:
        raise Failure(48, "NOT_IMPLEMENTED", "A session remembers at most 100 SET and USE statements: open a new one")
    statements.append(statement.sql)


def check(statement: Statement) -> None:
    """Refuse what a session would have to keep and does not.

    Raises:
        Failure: a temporary table.
    """
    if isinstance(statement, Insert) or statement.keyword != b"CREATE":
        return
    words = statement.sql[:200].upper().split()[:4]
    if b"TEMPORARY" in words:
        raise Failure(48, "NOT_IMPLEMENTED", "Temporary tables are not kept between requests here")
