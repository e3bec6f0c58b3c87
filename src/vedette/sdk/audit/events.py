"""`vedette.audit`: who did what to what, and how it went."""

from __future__ import annotations

import os
import sys
import threading
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal
from uuid import uuid4

from opentelemetry import trace as api

from vedette.sdk.audit.shipping import record_of
from vedette.sdk.audit.trail import AuditTrail, Receipt
from vedette.sdk.configure import runtime
from vedette.sdk.context import CORRELATION_ID, TENANT, named
from vedette.sdk.context import fields as context_fields
from vedette.sdk.guard import dropped, fault, tell
from vedette.sdk.logs.logger import desk
from vedette.sdk.redaction import Redactor
from vedette.sdk.values import clean_mapping

if TYPE_CHECKING:
    from vedette.sdk.configure import Runtime

__all__ = ["audit", "trail", "trail_of"]

_trails: dict[Path, AuditTrail] = {}
_lock = threading.Lock()
_plain = Redactor()


def audit(
    action: str,
    /,
    *,
    actor: str | None = None,
    target: str | None = None,
    result: Literal["success", "failure", "denied"] = "success",
    danger: Literal["none", "low", "medium", "high", "critical"] = "none",
    **details: Any,
) -> Receipt:
    """Record an audit event; it is on the local disk when this returns.

    Time, tenant, trace and correlation id come from where it is called; secrets in `details` are masked. From the disk
    it goes to the platform, at least once. Never raises: a disk that refuses is told on stderr, counted, and said by
    `durable` of the receipt; the event then goes with the logs instead.
    """
    active = runtime()
    held = named(context_fields.get())
    span = api.get_current_span().get_span_context()
    redactor = active.redactor if active is not None else _plain
    event: dict[str, Any] = {
        "id": uuid4().hex,
        "time": datetime.now(UTC).isoformat(timespec="microseconds"),
        "action": str(action),
        "actor": actor,
        "target": target,
        "result": result,
        "danger": danger,
        "tenant": held.get(TENANT),
        "correlation_id": held.get(CORRELATION_ID),
        "trace_id": f"{span.trace_id:032x}" if span.is_valid else None,
        "span_id": f"{span.span_id:016x}" if span.is_valid else None,
        "service": str(active.resource["service.name"]) if active is not None else None,
        "details": {key: redactor.value(key, value) for key, value in clean_mapping(details).items()},
    }
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
    if active is not None and active.shipper is not None:
        active.shipper.wake()
    return Receipt(event["id"], durable=True)


def _log(event: dict[str, Any]) -> None:
    """Let an event that has no place on the disk go to the platform with the logs."""
    sink = desk.sink
    if sink is not None:
        sink(record_of(event))


def trail() -> AuditTrail:
    """The trail of this service."""
    return trail_of(runtime())


def trail_of(active: Runtime | None) -> AuditTrail:
    """The trail that a configuration asks for."""
    path = _path(active)
    with _lock:
        found = _trails.get(path)
        if found is None:
            found = _trails[path] = AuditTrail(path)
        return found


def _path(active: Runtime | None) -> Path:
    chosen = active.settings.audit_file if active is not None else os.environ.get("VEDETTE_AUDIT_FILE")
    if chosen:
        return Path(chosen)
    state = Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state")
    name = str(active.resource["service.name"]) if active is not None else Path(sys.argv[0]).stem or "python"
    safe = "".join(c if c.isalnum() or c in "._-" else "_" for c in name).lstrip(".")
    return state / "vedette" / "audit" / f"{safe or 'service'}.jsonl"


def _after_fork() -> None:
    global _lock  # noqa: PLW0603 - a lock held in the parent stays locked for ever in the child
    _lock = threading.Lock()
    for held in _trails.values():
        held.after_fork()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
