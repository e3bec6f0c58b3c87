"""Backup and restore while the platform runs.

The worker does the work, because it is what loads the log: between two segments nothing changes in the tables, so a
backup taken there is consistent over all of them, rollups included. Ingest goes on into the log meanwhile.

The server asks by leaving ``run/backup-request.json``; the worker answers in ``run/backup-status.json``. A backup is a
folder ``<name>/`` with ``engine/`` (ClickHouse's BACKUP), ``control.db`` and ``manifest.json``, written last: until
then there is an empty ``manifest.tmp``, which tells a backup that a crash left unfinished from folders of others.
"""

from __future__ import annotations

import asyncio
import json
import logging
import re
import shutil
import sqlite3
import time
from contextlib import closing
from typing import TYPE_CHECKING, Any, Literal, cast

from typing_extensions import TypedDict

from vedette.errors import InvalidInput, NotFound, VedetteError
from vedette.server.control.store import open_control
from vedette.server.engine.migrate import load_migrations, migrate
from vedette.version import __version__

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from vedette.server.engine.client import Engine
    from vedette.server.settings import Settings
    from vedette.server.wal.loader import Loader
    from vedette.server.wal.segments import WalFolder

__all__ = ["BackupClerk", "BackupDesk", "Manifest", "Status", "remove_half_backups"]

log = logging.getLogger(__name__)

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}")
_POLL_SECONDS = 0.5
_UNFINISHED = "manifest.tmp"
"""What becomes the manifest when a backup is whole."""
_RESTORED = "restored"
"""The file whose time says when the tables were replaced last."""
_DATABASES = "DATABASE vedette, DATABASE vedette_sql"


class _EveryManifest(TypedDict):
    name: str
    version: str
    created: float
    bytes: int
    control: bool


class Manifest(_EveryManifest, total=False):
    """What a finished backup says of itself. `schema`, its tables' last migration, is missing in earlier ones."""

    schema: int


class Status(TypedDict):
    """How the latest request stands."""

    action: Literal["backup", "restore"]
    name: str
    state: Literal["waiting", "running", "done", "failed"]
    error: str


class BackupDesk:
    """The server's side: takes requests, lists backups."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._forgotten = 0

    def request(self, action: Literal["backup", "restore"], name: str) -> Status:
        """Hand a request to the worker.

        Raises:
            InvalidInput: The name is not one, is taken (backup), another request is under way, or the engine is not
                ours to back up.
            NotFound: There is no such backup (restore).
        """
        if not _NAME.fullmatch(name):
            raise InvalidInput(f"{name!r} cannot be a backup's name: use letters, digits, dot, dash and underscore.")
        if self._settings.engine != "embedded":
            raise InvalidInput("The tables are in a ClickHouse of yours; back it up with its own BACKUP statement.")
        exists = (self._settings.backup_path / name).exists()
        if action == "backup" and exists:
            raise InvalidInput(f"There is already a backup {name!r}; choose another name.")
        if action == "restore" and name not in {manifest["name"] for manifest in self.list()}:
            raise NotFound(f"There is no finished backup {name!r} in {self._settings.backup_path}.")
        if self.status()["state"] in {"waiting", "running"}:
            raise InvalidInput("Another backup or restore is under way; wait until it is done.")
        status = Status(action=action, name=name, state="waiting", error="")
        _write(self._settings.run_dir / "backup-status.json", status)
        _write(self._settings.run_dir / "backup-request.json", status)
        return status

    def status(self) -> Status:
        """How the latest request stands; `done` where there was none."""
        found: Status | None = _read(self._settings.run_dir / "backup-status.json")
        if found and found["action"] == "restore" and found["state"] == "done" and self._restored() != self._forgotten:
            found["state"] = "running"  # until nothing is answered from memory that is not in the tables
        return found or Status(action="backup", name="", state="done", error="")

    async def run(self, forget: Callable[[], Awaitable[None]]) -> None:
        """Call `forget` after every restore: what the server keeps in memory is of other tables."""
        self._forgotten = self._restored()
        while True:
            await asyncio.sleep(_POLL_SECONDS)
            restored = self._restored()
            if restored != self._forgotten:
                await forget()
                self._forgotten = restored

    def _restored(self) -> int:
        """When the tables were replaced last."""
        try:
            return (self._settings.run_dir / _RESTORED).stat().st_mtime_ns
        except FileNotFoundError:
            return 0

    def list(self) -> list[Manifest]:
        """The finished backups, newest first."""
        manifests = [_manifest(path) for path in self._settings.backup_path.glob("*/manifest.json")]
        return sorted(filter(None, manifests), key=lambda manifest: -manifest["created"])


class BackupClerk:
    """The worker's side: does what was asked, between two segments."""

    def __init__(self, engine: Engine, settings: Settings, loader: Loader, folder: WalFolder) -> None:
        self._engine = engine
        self._settings = settings
        self._loader = loader
        self._folder = folder

    async def run(self) -> None:
        """Do what is asked, one request after the other."""
        request = self._settings.run_dir / "backup-request.json"
        await self._after_a_crash()
        while True:
            await asyncio.sleep(_POLL_SECONDS)
            status: Status | None = _read(request)
            if status is not None:
                self._show(status, "running")
                request.unlink()
                await self._do(status)

    async def _after_a_crash(self) -> None:
        """End what was under way when the last worker ended: a restore is done again, as tables may be missing."""
        status: Status | None = _read(self._settings.run_dir / "backup-status.json")
        if status is None or status["state"] != "running":
            return
        if status["action"] == "restore":
            log.warning("The restore of %s was cut off, and is done again.", status["name"])
            await self._do(status)
        else:
            self._show(status, "failed", "The worker ended before the backup was done.")

    async def _do(self, status: Status) -> None:
        try:
            if status["action"] == "backup":
                await self._backup(status["name"])
            else:
                await self._restore(status["name"])
        except (VedetteError, OSError, sqlite3.Error) as error:
            log.exception("The %s of %s failed", status["action"], status["name"])
            self._show(status, "failed", str(error))
        else:
            self._show(status, "done")

    async def _backup(self, name: str) -> None:
        await self._load_what_is_acknowledged()
        async with self._loader.paused():
            await self._store(name)

    async def _store(self, name: str) -> None:
        """Write a whole backup; nothing may be loaded meanwhile."""
        target = self._settings.backup_path / name
        target.mkdir(parents=True)
        (target / _UNFINISHED).touch()
        await self._engine.execute(f"BACKUP {_DATABASES} TO File('{name}/engine')")
        control = self._settings.data_dir / "control.db"
        if control.exists() and not self._settings.control_url:
            await asyncio.to_thread(_copy_database, control, target / "control.db")
        [applied] = await self._engine.rows("SELECT max(number) AS number FROM vedette.schema_migrations")
        size = sum(path.stat().st_size for path in target.rglob("*") if path.is_file())
        _write(
            target / "manifest.json",
            Manifest(
                name=name,
                version=__version__,
                created=time.time(),
                bytes=size,
                control=(target / "control.db").exists(),
                schema=applied["number"],
            ),
        )

    async def _restore(self, name: str) -> None:
        replaced = f"replaced-by-{name[:60]}-{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}"
        self._refuse_newer(name)
        control = await asyncio.to_thread(self._control_of, name)
        async with self._loader.paused():
            # What is replaced is kept as a backup of its own, also for the case that the other one is damaged.
            await self._store(replaced)
            try:
                await self._replace_by(name)
            except VedetteError:
                await self._replace_by(replaced)
                (self._settings.run_dir / _RESTORED).touch()
                raise
        (self._settings.run_dir / _RESTORED).touch()
        if control:
            await asyncio.to_thread(_copy_database, control, self._settings.data_dir / "control.db")
            control.unlink()

    def _refuse_newer(self, name: str) -> None:
        """Refuse tables that this version does not know, before anything is replaced."""
        manifest = _manifest(self._settings.backup_path / name / "manifest.json")
        known = max(migration.number for migration in load_migrations())
        if manifest is not None and manifest.get("schema", 0) > known:
            raise VedetteError(
                f"{name} was made by a newer Vedette ({manifest['version']}): its tables have schema "
                f"{manifest.get('schema')}, and this version knows only {known} and below; restore it with that one."
            )

    def _control_of(self, name: str) -> Path | None:
        """A copy of a backup's control database as this version has it; None if it has none, or is not used.

        Raises:
            VedetteError: It is from a newer version, or damaged. Nothing has been replaced then.
        """
        source = self._settings.backup_path / name / "control.db"
        if not source.exists() or self._settings.control_url:
            return None
        copy = self._settings.run_dir / "restored-control.db"
        for stale in (copy, *(copy.with_name(f"{copy.name}{end}") for end in ("-wal", "-shm"))):
            stale.unlink(missing_ok=True)
        try:
            _copy_database(source, copy)
            open_control(f"sqlite:///{copy}").close()
        except (VedetteError, sqlite3.Error) as error:
            raise VedetteError(f"The control database of {name} cannot be used: {error}") from error
        return copy

    async def _replace_by(self, name: str) -> None:
        await self._engine.execute("DROP DATABASE IF EXISTS vedette_sql SYNC")
        await self._engine.execute("DROP DATABASE IF EXISTS vedette SYNC")
        await self._engine.execute(f"RESTORE {_DATABASES} FROM File('{name}/engine')")
        await migrate(self._engine)  # it may be an older version's, or a newer one's, which is refused

    async def _load_what_is_acknowledged(self) -> None:
        """Wait until everything that was acknowledged before the request is in the tables."""
        await asyncio.sleep(self._settings.wal_segment_age + _POLL_SECONDS)
        before = {segment.identity for segment in self._folder.sealed()}
        while before & {segment.identity for segment in self._folder.sealed()}:  # noqa: ASYNC110 - files, no event
            await asyncio.sleep(0.1)

    def _show(self, status: Status, state: Literal["running", "done", "failed"], error: str = "") -> None:
        shown = Status(action=status["action"], name=status["name"], state=state, error=error)
        _write(self._settings.run_dir / "backup-status.json", shown)


def remove_half_backups(path: Path) -> list[str]:
    """Remove what a crash left unfinished, and nothing else that is there. Returns the names."""
    unfinished = [mark.parent for mark in path.glob(f"*/{_UNFINISHED}")]
    for folder in unfinished:
        shutil.rmtree(folder)
    return [folder.name for folder in unfinished]


def _manifest(path: Path) -> Manifest | None:
    """What a backup says of itself; nothing if others wrote it, or it is damaged."""
    try:
        found = _read(path)
    except (OSError, ValueError):
        return None
    is_ours = isinstance(found, dict) and found.keys() >= Manifest.__required_keys__
    return cast("Manifest", found) if is_ours else None


def _copy_database(source: Path, target: Path) -> None:
    """SQLite's online copy: consistent, and safe under connections that others hold."""
    target.touch(0o600)
    with closing(sqlite3.connect(source)) as reading, closing(sqlite3.connect(target)) as writing:
        reading.backup(writing)


def _read(path: Path) -> Any:  # noqa: ANN401 - each caller knows what it reads
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None


def _write(path: Path, document: object) -> None:
    temporary = path.with_suffix(".tmp")  # of a manifest, _UNFINISHED
    temporary.write_text(json.dumps(document), encoding="utf-8")
    temporary.replace(path)
