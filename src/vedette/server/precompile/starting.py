"""The server's side: starts the process that compiles ahead, and ends it with itself."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import sys

from vedette.server.precompile.mark import missing_mark

__all__ = ["precompile"]

log = logging.getLogger(__name__)


async def precompile() -> None:
    """Have another process compile what the disk does not have yet. Returns when it has ended; cancelling ends it."""
    if await asyncio.to_thread(missing_mark) is None:
        return
    nothing = asyncio.subprocess.DEVNULL
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "vedette.server.precompile.child", str(os.getpid())),
        stdin=nothing,
        stdout=nothing,
        stderr=nothing,
    )
    try:
        status = await process.wait()
    finally:
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.terminate()
            await process.wait()
    if status:
        log.info("Functions could not be compiled ahead (exit status %d); they are when they are first needed.", status)
