"""The trails of this process: one for each file."""

from __future__ import annotations

import os
import sys
import threading
from pathlib import Path

from vedette.sdk.audit.trail import AuditTrail

__all__ = ["trail_of"]

_trails: dict[Path, AuditTrail] = {}
_lock = threading.RLock()


def trail_of(file: str | None, service: str | None) -> AuditTrail:
    """The trail in `file`, or that of `service`, or of this program, in the user's state folder."""
    path = Path(file) if file else _own(service or Path(sys.argv[0]).stem or "python")
    with _lock:
        found = _trails.get(path)
        if found is None:
            found = _trails[path] = AuditTrail(path)
        return found


def _own(name: str) -> Path:
    state = Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state")
    safe = "".join(c if c.isalnum() or c in "._-" else "_" for c in name).lstrip(".")
    return state / "vedette" / "audit" / f"{safe or 'service'}.jsonl"


def _after_fork() -> None:
    global _lock  # noqa: PLW0603 - a lock held in the parent stays locked for ever in the child
    _lock = threading.RLock()
    for held in _trails.values():
        held.after_fork()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
