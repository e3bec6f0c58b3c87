"""The supervisor: starts the processes, starts them again when they die, and stops them in the right order.

It imports nothing heavy, so that it stays small and has nothing of its own that could fail.
"""

from __future__ import annotations

import asyncio
import fcntl
import logging
import os
import signal
import sys
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from vedette.errors import StartError
from vedette.server.process import EXIT_START_FAILED, PARENT_VARIABLE, SETTINGS_VARIABLE, set_up_logging

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from vedette.server.settings import Address, Settings

__all__ = ["supervise"]

log = logging.getLogger(__name__)

_FIRST_PAUSE_SECONDS = 0.1
_LONGEST_PAUSE_SECONDS = 5.0
_STEADY_SECONDS = 30.0
# What only a person can mend: a wrong setting, a directory, a socket or port, a database that cannot be opened. A
# locked directory (11) may be the last engine, still ending.
_FINAL = {"engine": {2, 10, 12, 13}, "server": {EXIT_START_FAILED}, "worker": {EXIT_START_FAILED}}
_STOP_SECONDS = {"server": 6.0, "worker": 6.0, "engine": 3.0}
_READINGS_SECONDS = 5.0
_PATIENCE_SECONDS = 3.0
"""How long the worker waits for the server before it is started anyway."""
_CLOCK_TICKS = os.sysconf("SC_CLK_TCK")
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


@dataclass(slots=True)
class _Child:
    name: str
    command: Sequence[str]
    after: Address | None = None
    """It is first started when somebody listens there."""
    process: asyncio.subprocess.Process | None = None
    started_at: float = 0.0
    restarts: int = 0
    pause: float = _FIRST_PAUSE_SECONDS


async def supervise(settings: Settings) -> int:
    """Run the platform until SIGTERM or SIGINT. Returns the exit status.

    Raises:
        StartError: The data directory cannot be used, or another Vedette uses it.
    """
    set_up_logging(settings.log_level)
    lock = _take_data_dir(settings.data_dir)
    settings.run_dir.mkdir(parents=True, exist_ok=True)
    for stale in settings.run_dir.glob("*.prom"):
        stale.unlink()
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    environment = {
        **os.environ,
        SETTINGS_VARIABLE: settings.to_json(),
        PARENT_VARIABLE: str(os.getpid()),
    }
    tree = _Tree(_children(settings), environment, stop)
    try:
        return await tree.run(settings.run_dir)
    finally:
        os.close(lock)


def _children(settings: Settings) -> list[_Child]:
    module = "vedette.server.process"
    worker = _Child("worker", [sys.executable, "-m", module, "worker"])
    children = [_Child("server", [sys.executable, "-m", module, "server"]), worker]
    if settings.engine == "embedded":
        command = [sys.executable, "-m", "vedette.server.engine.embedded"]
        command += ["--path", str(settings.data_dir / "engine"), "--socket", str(settings.engine_socket)]
        command += ["--backups", str(settings.backup_path)]
        command += ["--max-memory", str(settings.engine_max_memory)]
        if settings.engine_tcp:
            command += ["--tcp", str(settings.engine_tcp)]
            if settings.engine_tcp_password_file:
                command += ["--tcp-password-file", settings.engine_tcp_password_file]
        children.insert(0, _Child("engine", command))
        # Starting takes a core for half a second, and the worker waits for the server to be there, unless all is ready
        # only when it has made tables or loaded the log.
        if not _has_to_catch_up(settings):
            worker.after = settings.listen
    return children


def _has_to_catch_up(settings: Settings) -> bool:
    """Whether there is something that only the worker can do before the platform is ready."""
    tables, left_behind = settings.data_dir / "engine" / "store", settings.wal_dir
    return not tables.exists() or any(left_behind.glob("*.wal")) or any(left_behind.glob("*.open"))


class _Tree:
    def __init__(self, children: list[_Child], environment: dict[str, str], stop: asyncio.Event) -> None:
        self._children = children
        self._environment = environment
        self._stop = stop
        self._status = 0

    async def run(self, run_dir: Path) -> int:
        keepers = [asyncio.create_task(self._keep(child)) for child in self._children]
        readings = asyncio.create_task(self._show(run_dir))
        await self._stop.wait()
        readings.cancel()
        # The doors close first, then the work behind them, then the engine that both need.
        for names in (("server", "worker"), ("engine",)):
            await asyncio.gather(*(_end(child) for child in self._children if child.name in names))
        for keeper in keepers:
            keeper.cancel()
        await asyncio.gather(*keepers, return_exceptions=True)
        log.info("Stopped.")
        return self._status

    async def _keep(self, child: _Child) -> None:
        """Keep one child running until the tree stops."""
        if child.after:
            await _wait_for(child.after)
        while not self._stop.is_set():
            # In a session of its own, so that Ctrl-C reaches the supervisor alone and the order of the end is kept.
            child.process = await asyncio.create_subprocess_exec(
                *child.command, env=self._environment, start_new_session=True
            )
            child.started_at = time.monotonic()
            status = await child.process.wait()
            if self._stop.is_set():
                return
            if status in _FINAL[child.name]:  # the child has said in a sentence what is wrong
                self._status = EXIT_START_FAILED
                self._stop.set()
                return
            if time.monotonic() - child.started_at > _STEADY_SECONDS:
                child.pause = _FIRST_PAUSE_SECONDS
            log.error("The %s ended (%s); it is started again in %.1f s.", child.name, _how(status), child.pause)
            child.restarts += 1
            await asyncio.sleep(child.pause)
            child.pause = min(child.pause * 2, _LONGEST_PAUSE_SECONDS)

    async def _show(self, run_dir: Path) -> None:
        """Leave figures about the processes where the server shows them."""
        while True:
            await asyncio.sleep(1.0 if not (run_dir / "supervisor.prom").exists() else _READINGS_SECONDS)
            lines = [
                "# HELP vedette_process_restarts_total How often a process died and was started again.",
                "# TYPE vedette_process_restarts_total counter",
                *(f'vedette_process_restarts_total{{process="{c.name}"}} {c.restarts}' for c in self._children),
            ]
            figures = {c.name: _figures(c.process.pid) for c in self._children if c.process}
            figures["supervisor"] = _figures(os.getpid())
            lines += [
                "# HELP vedette_process_resident_memory_bytes Resident memory of a process.",
                "# TYPE vedette_process_resident_memory_bytes gauge",
                *(f'vedette_process_resident_memory_bytes{{process="{n}"}} {f[0]}' for n, f in figures.items()),
                "# HELP vedette_process_cpu_seconds_total CPU time of a process since it was started.",
                "# TYPE vedette_process_cpu_seconds_total counter",
                *(f'vedette_process_cpu_seconds_total{{process="{n}"}} {f[1]:.2f}' for n, f in figures.items()),
            ]
            temporary = run_dir / "supervisor.tmp"
            temporary.write_text("\n".join(lines) + "\n", encoding="utf-8")
            temporary.replace(run_dir / "supervisor.prom")


async def _wait_for(place: Address) -> None:
    """Wait until somebody listens there, within bounds."""
    until = time.monotonic() + _PATIENCE_SECONDS
    while time.monotonic() < until:
        try:
            _, writer = await asyncio.open_connection(place.host, place.port)
        except OSError:
            await asyncio.sleep(0.05)
        else:
            writer.close()
            return


async def _end(child: _Child) -> None:
    process = child.process
    if process is None or process.returncode is not None:
        return
    process.terminate()
    try:
        await asyncio.wait_for(process.wait(), _STOP_SECONDS[child.name])
    except TimeoutError:
        log.warning("The %s did not stop in time and is killed; what was acknowledged is on disk.", child.name)
        process.kill()
        await process.wait()


def _figures(pid: int) -> tuple[int, float]:
    """Resident bytes and CPU seconds of a process; zeros once it is gone."""
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as file:  # noqa: PTH123 - no pathlib here
            fields = file.read().rsplit(")", 1)[1].split()
    except OSError:
        return 0, 0.0
    return int(fields[21]) * _PAGE_BYTES, (int(fields[11]) + int(fields[12])) / _CLOCK_TICKS


def _how(status: int) -> str:
    if status < 0:
        return f"killed by {signal.Signals(-status).name}"
    return f"exit status {status}"


def _take_data_dir(path: Path) -> int:
    """Make the directory, readable by its owner only, and become the one Vedette on it."""
    try:
        path.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor = os.open(path / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise StartError(
            f"Cannot use the data directory {path}: {error.strerror}. "
            "Give one that this user may write, with --data-dir."
        ) from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise StartError(
            f"Another Vedette runs on {path}. Stop it first, or give this one another directory with --data-dir."
        ) from error
    return descriptor
