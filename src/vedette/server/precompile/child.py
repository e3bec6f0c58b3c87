"""The process that compiles ahead: ``python -m vedette.server.precompile.child PARENT``."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import fcntl
import os
import signal
import sys

from vedette.server.precompile.mark import missing_mark

_PR_SET_PDEATHSIG = 1


def main() -> int:
    """Compile everything when nobody else wants to run, as long as the parent lives."""
    _step_back()
    _die_with_parent(int(sys.argv[1]))
    compile_everything()
    return 0


def compile_everything() -> None:
    """Compile everything once, unless somebody else does or nothing could be kept."""
    mark = missing_mark()  # of the sources as they are before they are loaded
    if mark is None:
        return
    with (mark.parent / "vedette-compiling.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:  # another platform on this machine is at it
            return
        if mark.exists():
            return
        from vedette.server.precompile.exercises import exercise  # noqa: PLC0415 - large, and seldom needed

        asyncio.run(exercise())
        for old in mark.parent.glob("vedette-*.compiled"):
            old.unlink(missing_ok=True)
        mark.touch()


def _step_back() -> None:
    """Run only when nobody else wants to."""
    os.nice(19)
    if hasattr(os, "SCHED_IDLE"):
        with contextlib.suppress(OSError):
            os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))


def _die_with_parent(parent: int) -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != parent:  # it died before the line above
            sys.exit(0)


if __name__ == "__main__":
    sys.exit(main())
