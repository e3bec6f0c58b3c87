"""Repairs what a crash leaves in the tables' deduplication logs.

A MergeTree table writes the token of an insert to ``deduplication_logs/`` first and gives the new part its name second.
A process that is killed in between leaves a token without its rows, and the insert's repeat would be taken for one
already done: the rows would be lost. So before the engine opens its files, every remembered insert whose part does not
exist is forgotten.
"""

from __future__ import annotations

import logging
import os
import re
from collections import defaultdict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["forget_inserts_without_parts"]

log = logging.getLogger(__name__)

_ADD, _DROP = "1", "2"
_PART = re.compile(r"^(?P<partition>[^_]+)_(?P<first>\d+)_(?P<last>\d+)_\d+(?:_\d+)?$")


def forget_inserts_without_parts(path: Path) -> int:
    """Forget the inserts of which no part exists, in every table under the database directory `path`.

    Nothing else may have the directory open. Returns how many were forgotten.
    """
    forgotten = 0
    for logs in sorted(path.glob("store/*/*/deduplication_logs")):
        for draft in logs.glob("repair_*"):
            draft.unlink()
        ranges = _existing_ranges(logs.parent)
        for file in sorted(logs.glob("deduplication_log_*.txt")):
            forgotten += _rewrite(file, ranges)
    if forgotten:
        log.warning("Forgot %d inserts that a crash cut short between their token and their rows.", forgotten)
    return forgotten


def _existing_ranges(table: Path) -> dict[str, list[tuple[int, int]]]:
    """The blocks that each partition's parts hold; a merged part covers those of its sources."""
    ranges: dict[str, list[tuple[int, int]]] = defaultdict(list)
    for entry in os.scandir(table):
        if match := _PART.match(entry.name):
            ranges[match["partition"]].append((int(match["first"]), int(match["last"])))
    return ranges


def _rewrite(file: Path, ranges: dict[str, list[tuple[int, int]]]) -> int:
    text = file.read_text(encoding="utf-8", errors="replace")
    lines = text.splitlines(keepends=True)
    kept = [line for line in lines if _holds(line, ranges)]
    if len(kept) == len(lines):
        return 0
    draft = file.with_name(f"repair_{file.name}")
    with draft.open("w", encoding="utf-8") as output:
        output.writelines(kept)
        output.flush()
        os.fsync(output.fileno())
    draft.replace(file)
    return len(lines) - len(kept)


def _holds(line: str, ranges: dict[str, list[tuple[int, int]]]) -> bool:
    """Whether a line of the log may stay; one that was cut short may not."""
    fields = line.rstrip("\n").split("\t")
    if not line.endswith("\n") or len(fields) != 3 or fields[0] not in (_ADD, _DROP):  # noqa: PLR2004 - the format
        return False
    if fields[0] == _DROP:
        return True
    part = _PART.match(fields[1])
    if part is None:
        return False
    first, last = int(part["first"]), int(part["last"])
    return any(low <= first and last <= high for low, high in ranges.get(part["partition"], ()))
