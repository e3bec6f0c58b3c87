"""For those who have structlog: a last processor that hands its events to Vedette.

::

    structlog.configure(processors=[structlog.contextvars.merge_contextvars, VedetteProcessor()])
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from vedette.sdk.logs.logger import get_logger

if TYPE_CHECKING:
    from collections.abc import MutableMapping

__all__ = ["VedetteProcessor"]

_LEVELS = {"debug": 10, "info": 20, "warning": 30, "warn": 30, "error": 40, "exception": 40, "critical": 50}


class VedetteProcessor:
    """The end of a chain of structlog processors: the event goes on as a record, nothing is printed by structlog."""

    def __call__(self, logger: Any, method: str, event: MutableMapping[str, Any]) -> Any:
        """Take an event dictionary."""
        from structlog import DropEvent  # noqa: PLC0415 - an optional package

        fields = dict(event)
        message = fields.pop("event", "")
        name = fields.pop("logger", None) or fields.pop("logger_name", None) or getattr(logger, "name", None)
        for known in ("level", "timestamp"):
            fields.pop(known, None)
        if method == "exception":
            fields.setdefault("exc_info", True)
        args = fields.pop("positional_args", ())  # of structlog's BoundLogger for the standard library
        get_logger(str(name or "structlog")).log(_LEVELS.get(method, 20), message, *args, **fields)
        raise DropEvent
