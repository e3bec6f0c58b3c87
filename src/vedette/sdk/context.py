"""What is known about the work in hand: fields that every log line inside carries, and the correlation id.

Held in a context variable, so that asyncio tasks inherit it; `instrumentation.threads` carries it into thread pools.
"""

from __future__ import annotations

from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from vedette.sdk.values import clean_mapping

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["CORRELATION_ID", "TENANT", "context", "correlation_id", "fields"]

CORRELATION_ID = "correlation_id"
TENANT = "tenant"

fields: ContextVar[dict[str, Any] | None] = ContextVar("vedette_fields", default=None)


@contextmanager
def context(**values: Any) -> Iterator[None]:
    """Put `values` on every log line that is written inside the block, by whatever logger."""
    outer = fields.get()
    token = fields.set({**outer, **clean_mapping(values)} if outer else clean_mapping(values))
    try:
        yield
    finally:
        try:
            fields.reset(token)
        except ValueError:  # left in another context than entered: an abandoned async generator
            pass


def correlation_id() -> str | None:
    """The correlation id of the request in hand, or `None` outside of one."""
    held = fields.get()
    return held.get(CORRELATION_ID) if held else None
