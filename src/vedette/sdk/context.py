"""What is known about the work in hand: fields that every log line inside carries, and the correlation id.

Held in a context variable, so that asyncio tasks inherit it; `instrumentation.threads` carries it into thread pools.
"""

from __future__ import annotations

from contextlib import contextmanager, suppress
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from vedette.sdk.values import clean_mapping

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["CORRELATION_ID", "TENANT", "context", "correlation_id", "fields", "named"]

CORRELATION_ID = "correlation_id"
TENANT = "tenant"

# A correlation id alone, as most requests have it, is held as text: the garbage collector does not look at texts.
fields: ContextVar[dict[str, Any] | str | None] = ContextVar("vedette_fields", default=None)


def named(held: dict[str, Any] | str | None) -> dict[str, Any]:
    """What `fields` holds, by name."""
    return {CORRELATION_ID: held} if type(held) is str else held or {}  # type: ignore[return-value]


@contextmanager
def context(**values: Any) -> Iterator[None]:
    """Put `values` on every log line that is written inside the block, by whatever logger."""
    token = fields.set({**named(fields.get()), **clean_mapping(values)})
    try:
        yield
    finally:
        with suppress(ValueError):  # left in another context than entered: an abandoned async generator
            fields.reset(token)


def correlation_id() -> str | None:
    """The correlation id of the request in hand, or `None` outside of one."""
    held = fields.get()
    return held if held is None or isinstance(held, str) else held.get(CORRELATION_ID)
