"""Run a command that ends when its parent does: `python -m vedette.demo.leash PARENT_PID COMMAND…`.

Linux keeps the parent-death signal across `execve`, so any program can be held this way. Elsewhere the command simply
runs.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1


def main(arguments: list[str]) -> None:
    """Ask the kernel for SIGTERM at the parent's death, then become the command."""
    parent, command = int(arguments[0]), arguments[1:]
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
        if os.getppid() != parent:  # it died before the kernel was asked
            sys.exit(1)
    os.execvp(command[0], command)  # noqa: S606 - the command comes from the demo itself


if __name__ == "__main__":
    main(sys.argv[1:])
