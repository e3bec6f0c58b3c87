"""`vedette.audit`: who did what to what, and how it went."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal, get_args
from uuid import uuid4

from opentelemetry import trace as api

from vedette.sdk.audit.shipping import record_of
from vedette.sdk.audit.trail import Receipt
from vedette.sdk.audit.trails import trail_of
from vedette.sdk.configure import latest, runtime
from vedette.sdk.context import CORRELATION_ID, TENANT, named
from vedette.sdk.context import fields as context_fields
from vedette.sdk.guard import dropped, fault, tell
from vedette.sdk.logs.logger import desk
from vedette.sdk.redaction import Redactor
from vedette.sdk.values import clean_mapping, text_of

if TYPE_CHECKING:
    from vedette.sdk.audit.trail import AuditTrail

__all__ = ["audit", "trail"]

_plain = Redactor()
_Result = Literal["success", "failure", "denied"]
_Danger = Literal["none", "low", "medium", "high", "critical"]
_WORDS = {"result": get_args(_Result), "danger": get_args(_Danger)}


def audit(
    action: str,
    /,
    *,
    actor: str | None = None,
    target: str | None = None,
    result: _Result = "success",
    danger: _Danger = "none",
    **details: Any,
) -> Receipt:
    """Record an audit event; it is on the local disk when this returns.

    Time, tenant, trace and correlation id come from where it is called; secrets in `details` are masked. From the disk
    it goes to the platform, at least once. Never raises: a disk that refuses is told on stderr, counted, and said by
    `durable` of the receipt; the event then goes with the logs instead.
    """
    active = latest()
    held = named(context_fields.get())
    span = api.get_current_span().get_span_context()
    redactor = active.redactor if active is not None else _plain
    event: dict[str, Any] = {
        "id": uuid4().hex,
        "time": datetime.now(UTC).isoformat(timespec="microseconds"),
        "action": _said(action),
        "actor": _said(actor),
        "target": _said(target),
        "result": _said(result),
        "danger": _said(danger),
        "tenant": held.get(TENANT),
        "correlation_id": held.get(CORRELATION_ID),
        "trace_id": f"{span.trace_id:032x}" if span.is_valid else None,
        "span_id": f"{span.span_id:016x}" if span.is_valid else None,
        "service": str(active.resource["service.name"]) if active is not None else None,
        "details": {key: redactor.value(key, value) for key, value in clean_mapping(details).items()},
    }
    for name, words in _WORDS.items():
        if event[name] not in words:  # it is kept as it is, but a review would not look for it
            tell(f"audit {name}", f"an audit event's {name} is {event[name]!r}; reviews know {', '.join(words)}")
    try:
        trail().append(event)
    except OSError as error:
        tell("audit", f"audit events cannot be written to {trail().path}: {error}")
        dropped("audit events", "the disk refused them", 1)
        _log(event)
        return Receipt(event["id"], durable=False)
    except Exception as error:  # noqa: BLE001 - never raised into the host
        fault("an audit event", error)
        return Receipt(event["id"], durable=False)
    running = runtime()
    if running is not None and running.shipper is not None:
        running.shipper.wake()
    return Receipt(event["id"], durable=True)


def _said(value: Any) -> str | None:
    """A text; of anything else, which the program may have at hand instead of its name, what it shows as."""
    return None if value is None else str(value) if isinstance(value, str) else text_of(value)


def _log(event: dict[str, Any]) -> None:
    """Let an event that has no place on the disk go to the platform with the logs."""
    sink = desk.sink
    if sink is not None:
        sink(record_of(event))


def trail() -> AuditTrail:
    """The trail of this service, also after `shutdown`."""
    active = latest()
    if active is None:
        return trail_of(os.environ.get("VEDETTE_AUDIT_FILE"), None)
    return trail_of(active.settings.audit_file, str(active.resource["service.name"]))
