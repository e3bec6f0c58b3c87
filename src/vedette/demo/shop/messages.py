"""The shop's message queue: a table in SQLite, spoken to with the messaging conventions of OpenTelemetry.

A message carries the producer's trace context in its headers. Its processing continues the producer's trace, and the
batch that received it links to every message in it.
"""

from __future__ import annotations

import json
import sqlite3
import time
import uuid
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from opentelemetry import propagate, trace
from opentelemetry.trace import Link, SpanKind

if TYPE_CHECKING:
    from collections.abc import Iterator

    from opentelemetry.trace import Span, SpanContext

__all__ = ["ORDER_PLACED", "Message", "Queue"]

ORDER_PLACED = "order.placed"  # the topic of paid orders

_SCHEMA = """
CREATE TABLE IF NOT EXISTS messages (
    id TEXT PRIMARY KEY, topic TEXT NOT NULL, headers TEXT NOT NULL, body TEXT NOT NULL,
    due REAL NOT NULL, attempts INTEGER NOT NULL DEFAULT 0, dead INTEGER NOT NULL DEFAULT 0
)
"""
_DUE = "SELECT id, headers, body, attempts FROM messages WHERE topic = ? AND NOT dead AND due <= ? ORDER BY due LIMIT ?"
_SYSTEM = "sqlite_queue"

_tracer = trace.get_tracer(__name__)


@dataclass(frozen=True)
class Message:
    """One message as received. `attempts` counts the earlier, failed ones."""

    message_id: str
    topic: str
    headers: dict[str, str]
    body: dict[str, Any]
    attempts: int

    @property
    def producer(self) -> SpanContext:
        """The context of the span that sent the message."""
        return trace.get_current_span(propagate.extract(self.headers)).get_span_context()


class Queue:
    """A durable queue with at-least-once delivery, for one consumer and many producers."""

    def __init__(self, path: Path = Path("queue")) -> None:
        self._path = path
        with self._connect() as connection:
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute(_SCHEMA)

    def publish(self, topic: str, body: dict[str, Any]) -> str:
        """Append a message, in a producer span whose context travels with it; returns its id."""
        message_id = uuid.uuid4().hex
        text = json.dumps(body)
        attributes: dict[str, str | int] = {
            **_attributes(topic, "send"),
            "messaging.message.id": message_id,
            "messaging.message.body.size": len(text),
        }
        with _tracer.start_as_current_span(f"send {topic}", kind=SpanKind.PRODUCER, attributes=attributes):
            headers: dict[str, str] = {}
            propagate.inject(headers)
            row = (message_id, topic, json.dumps(headers), text, time.time())
            with self._connect() as connection:
                connection.execute("INSERT INTO messages (id, topic, headers, body, due) VALUES (?, ?, ?, ?, ?)", row)
        return message_id

    def receive(self, topic: str, limit: int) -> tuple[list[Message], SpanContext | None]:
        """The messages that are due, oldest first, and the span context of their receipt (None when there are none)."""
        started = time.time_ns()
        with self._connect() as connection:
            rows = connection.execute(_DUE, (topic, time.time(), limit)).fetchall()
        messages = [Message(row[0], topic, json.loads(row[1]), json.loads(row[2]), row[3]) for row in rows]
        if not messages:
            return [], None
        span = _tracer.start_span(
            f"receive {topic}",
            kind=SpanKind.CLIENT,
            attributes={**_attributes(topic, "receive"), "messaging.batch.message_count": len(messages)},
            links=[Link(message.producer, {"messaging.message.id": message.message_id}) for message in messages],
            start_time=started,
        )
        span.end()
        return messages, span.get_span_context()

    @contextmanager
    def processing(self, message: Message, received: SpanContext) -> Iterator[Span]:
        """A consumer span that continues the producer's trace and links to the receipt."""
        attributes: dict[str, str | int] = {
            **_attributes(message.topic, "process"),
            "messaging.message.id": message.message_id,
            "messaging.message.delivery_attempt": message.attempts + 1,
        }
        with _tracer.start_as_current_span(
            f"process {message.topic}",
            context=propagate.extract(message.headers),
            kind=SpanKind.CONSUMER,
            attributes=attributes,
            links=[Link(received)],
        ) as span:
            yield span

    def done(self, message: Message) -> None:
        """Remove a processed message."""
        with self._connect() as connection:
            connection.execute("DELETE FROM messages WHERE id = ?", (message.message_id,))

    def retry(self, message: Message, delay_seconds: float) -> None:
        """Deliver the message again later."""
        with self._connect() as connection:
            connection.execute(
                "UPDATE messages SET attempts = attempts + 1, due = ? WHERE id = ?",
                (time.time() + delay_seconds, message.message_id),
            )

    def bury(self, message: Message) -> None:
        """Set the message aside: it is not delivered again."""
        with self._connect() as connection:
            connection.execute("UPDATE messages SET dead = 1 WHERE id = ?", (message.message_id,))

    def depth(self, *, dead: bool = False) -> int:
        """How many messages wait, or how many were set aside."""
        with self._connect() as connection:
            row = connection.execute("SELECT count(*) FROM messages WHERE dead = ?", (int(dead),)).fetchone()
        return int(row[0])

    @contextmanager
    def _connect(self) -> Iterator[sqlite3.Connection]:
        connection = sqlite3.connect(self._path, timeout=10)
        try:
            connection.execute("PRAGMA synchronous=OFF")
            with connection:
                yield connection
        finally:
            connection.close()


def _attributes(topic: str, operation: str) -> dict[str, str]:
    return {
        "messaging.system": _SYSTEM,
        "messaging.destination.name": topic,
        "messaging.operation.name": operation,
        "messaging.operation.type": operation,
    }
