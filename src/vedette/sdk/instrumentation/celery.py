"""Celery's tasks keep the correlation id of whoever sent them, also those that a task sends, and its retries.

Spans are those of contrib's instrumentation.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from vedette.sdk.context import CORRELATION_ID, correlation_id, named
from vedette.sdk.context import fields as context_fields
from vedette.sdk.propagation import CORRELATION_HEADER
from vedette.sdk.web.headers import safe_id

if TYPE_CHECKING:
    from contextvars import Token

__all__ = ["instrument"]

_running: dict[str, Token[dict[str, Any] | str | None]] = {}  # by the task's id


def instrument() -> None:
    """Watch what is sent and run from now on."""
    from celery import signals  # type: ignore[import-untyped]  # noqa: PLC0415 - called when Celery is imported

    signals.before_task_publish.connect(_send, weak=False, dispatch_uid=__name__)
    signals.task_prerun.connect(_begin, weak=False, dispatch_uid=__name__)
    signals.task_postrun.connect(_end, weak=False, dispatch_uid=__name__)


def _send(headers: dict[str, Any] | None = None, **_: object) -> None:
    known = correlation_id()
    if known and headers is not None:
        headers.setdefault(CORRELATION_HEADER, known)


def _begin(task_id: str, task: Any, **_: object) -> None:
    sent = getattr(task.request, CORRELATION_HEADER, None)  # a message's headers are attributes of the request
    known = safe_id(sent) if isinstance(sent, str) else None
    if known is not None:
        outer = named(context_fields.get())
        _running[task_id] = context_fields.set({**outer, CORRELATION_ID: known} if outer else known)


def _end(task_id: str, **_: object) -> None:
    token = _running.pop(task_id, None)
    if token is not None:
        context_fields.reset(token)
