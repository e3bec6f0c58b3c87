"""Whether the platform is ready, and which of its parts is not."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypedDict

if TYPE_CHECKING:
    from vedette.server.engine.client import Engine
    from vedette.server.query.reader import Reader
    from vedette.server.wal.segments import WalFolder
    from vedette.server.wal.writer import WalWriter

__all__ = ["Check", "Readiness"]


class Check(TypedDict):
    """One condition: whether it holds, and a sentence where it does not."""

    ok: bool
    detail: str


class Readiness:
    """Looks at engine, schema, log and replay."""

    def __init__(self, engine: Engine, reader: Reader, wal: WalWriter, folder: WalFolder) -> None:
        self._engine = engine
        self._reader = reader
        self._wal = wal
        self._folder = folder
        # What a crash or a stop left behind; the replay is done once none of it is there any more.
        self._left_behind = {segment.path.name for segment in folder.sealed()}

    async def checks(self) -> dict[str, Check]:
        """Every condition by name."""
        engine_up = await self._engine.ping()
        schema = engine_up and self._reader.is_prepared
        waiting = self._waiting()
        return {
            "engine": _check(engine_up, "The engine does not answer; the supervisor restarts it."),
            "schema": _check(schema, "The tables are being made or brought up to date."),
            "wal": _check(
                not self._wal.is_full and not self._wal.is_faulty,
                f"The disk refuses writes, or {self._wal.waiting_bytes} bytes wait for the engine, which is the bound.",
            ),
            "replay": _check(not waiting, f"{waiting} segments from before the start are still being loaded."),
        }

    def _waiting(self) -> int:
        if self._left_behind:
            self._left_behind &= {segment.path.name for segment in self._folder.sealed()}
        return len(self._left_behind)


def _check(ok: bool, otherwise: str) -> Check:  # noqa: FBT001 - the condition itself
    return {"ok": ok, "detail": "" if ok else otherwise}
