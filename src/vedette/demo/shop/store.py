"""SQLAlchemy engines whose statements take the time that a database across a network would."""

from __future__ import annotations

import random
import time
from typing import TYPE_CHECKING, Any

from sqlalchemy import create_engine, event

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy import Engine

__all__ = ["open_store"]


def open_store(name: str, drag_seconds: Callable[[str], float]) -> Engine:
    """Open the SQLite database `name` in the shop's directory, which is the working directory of its processes.

    `drag_seconds` says how long a statement takes beyond what SQLite needs; a few milliseconds are added to all.
    """
    engine = create_engine(f"sqlite:///{name}", connect_args={"timeout": 10})

    @event.listens_for(engine, "connect")
    def configure(connection: Any, _record: object) -> None:  # noqa: ANN401 - a driver's connection
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=OFF")  # the shop's data is thrown away with the shop

    @event.listens_for(engine, "before_cursor_execute")
    def drag(
        _connection: object, _cursor: object, statement: str, _parameters: object, _context: object, _many: object
    ) -> None:
        time.sleep(drag_seconds(statement) + random.uniform(0.0005, 0.004))

    return engine
