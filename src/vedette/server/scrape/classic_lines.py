# What is compiled takes positional arguments and constants as they are.
# ruff: noqa: ANN401, FBT001, FBT003, PLR0917
# mypy: disable-error-code="arg-type,assignment,call-overload,no-any-return,return-value"
"""Classic histograms in the lines of a text, which become native ones: ``convert_classic_histograms_to_nhcb``.

A histogram is a run of lines with the same labels but for ``le``, behind a ``TYPE`` line that says what it is. What a
line is to that is found once, when it is new; compiled code then finds the runs in the numbers of the lines.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from vedette.server.compiled import compiled, lean
from vedette.server.scrape.custom_buckets import (
    LEAST_ROOM,
    ROOM_FOR_A_BUCKET,
    add_bucket,
    clear,
    gathered,
    put_histogram,
    set_count,
    set_sum,
)
from vedette.server.scrape.lines import (
    ENTRY,
    EXEMPLAR,
    EXEMPLAR_END,
    TEXT,
    VALUE,
    VALUE_END,
    Lines,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from vedette.server.scrape.exposition import Metadata

    Numbers = np.ndarray[Any, np.dtype[Any]]

__all__ = ["ClassicLines"]

_OTHER, _BUCKET, _COUNT, _SUM, _HISTOGRAM = range(5)
_SUFFIXES = {"_bucket": _BUCKET, "_count": _COUNT, "_sum": _SUM}
_ROWS, _WRITTEN, _PINS, _FAULTS, _GROUP, _SLOT = range(6)
_NONE = -1


class _Facts(NamedTuple):
    """What texts are, each a row: a part of a histogram or the type of one, its name, its native series, its bound."""

    kinds: Any
    names: Any
    groups: Any
    bounds: Any


class _Source(NamedTuple):
    facts: Any
    values: Any
    times: Any
    comments: Any
    times_ms: Any


class _Made(NamedTuple):
    """Receives lines, and the native histograms (`out`), their exemplars (`pins`) and what went wrong (`faults`)."""

    facts: Any
    values: Any
    times: Any
    out: Any
    pins: Any
    faults: Any
    state: Any


class ClassicLines:
    """What one target's texts are to its classic histograms; a row for each text, as `lines.Texts` has them.

    Args:
        keep: Whether the classic series are wanted, too.
    """

    def __init__(self, *, keep: bool) -> None:
        self._keep = keep
        self._names: dict[str, int] = {}
        self._types: set[str] = set()
        self._entries: dict[bytes, int] = {}  # of the texts of native series
        self._facts = _Facts(*(np.empty(0, kind) for kind in (np.int8, np.int64, np.int64, np.float64)))

    def learn(self, found: Sequence[Mapping[str, str] | Metadata | None]) -> list[bytes]:
        """Take the labels of new lines and what new comments say.

        Returns:
            The texts of native series, which are entries behind these.
        """
        first = len(self._facts.kinds)
        rows: list[tuple[int, int, bytes, float]] = []
        for one in found:
            if one is None or not isinstance(one, dict):
                rows.append(self._comment(one))
            else:
                rows.append(self._line(one))
        texts = list(dict.fromkeys(text for *_, text, _ in rows if text and text not in self._entries))
        behind = first + len(rows)
        self._entries.update({text: behind + i for i, text in enumerate(texts)})
        rows += [(_OTHER, _NONE, text, 0.0) for text in texts]
        kinds, names, groups, bounds = zip(*rows, strict=True) if rows else ((), (), (), ())
        entries = [self._entries[text] if text else _NONE for text in groups]
        self._facts = _Facts(
            *(
                np.concatenate((known, np.array(new, known.dtype)))
                for known, new in zip(self._facts, (kinds, names, entries, bounds), strict=True)
            )
        )
        return texts

    def native_of(self, entries: Numbers) -> Numbers:
        """The entries of the native series that these belong to, as far as they do."""
        found = self._facts.groups[entries]
        return found[found >= 0]

    def keep(self, entries: Numbers) -> None:
        """Forget all but these, which get the numbers 0, 1 and so on in this order."""
        places = np.full(len(self._facts.kinds) + 1, _NONE)
        places[entries] = np.arange(len(entries))
        kinds, names, groups, bounds = (column[entries] for column in self._facts)
        self._facts = _Facts(kinds, names, places[groups], bounds)
        self._entries = {text: int(places[entry]) for text, entry in self._entries.items() if places[entry] >= 0}

    def convert(self, lines: Lines, times_ms: Numbers) -> tuple[Lines, list[tuple[int, int]]]:
        """The lines with native histograms in the place of classic ones, or behind them.

        Args:
            lines: Those of a text, all known.
            times_ms: Of each line.

        Returns:
            The lines, and of each histogram that cannot be a native one its entry and the fault.
        """
        count = len(lines.facts)
        rows = 2 * count
        made = _Made(
            np.empty((rows, lines.facts.shape[1]), np.int64),
            np.empty(rows),
            np.empty(rows),
            np.empty(count * (LEAST_ROOM + 2 * ROOM_FOR_A_BUCKET), np.uint8),
            np.empty((count, 4), np.int64),
            np.empty((count, 2), np.int64),
            np.zeros(6, np.int64),
        )
        source = _Source(lines.facts, lines.values, lines.times, lines.comments, times_ms)
        _convert(source, self._facts, self._keep, gathered(count + 1), made)
        rows = int(made.state[_ROWS])
        found = Lines(lines.data, made.facts[:rows], made.values[:rows], made.times[:rows], lines.comments)
        found.natives = made.out[: made.state[_WRITTEN]].tobytes()
        found.pins = made.pins[: made.state[_PINS]]
        return found, [(int(entry), int(fault)) for entry, fault in made.faults[: made.state[_FAULTS]]]

    def _name(self, name: str) -> int:
        return self._names.setdefault(name, len(self._names))

    def _comment(self, note: Metadata | None) -> tuple[int, int, bytes, float]:
        if note is None or note.kind != "TYPE":
            return _OTHER, _NONE, b"", 0.0
        if note.text != "histogram":
            return _HISTOGRAM, _NONE, b"", 0.0
        self._types.add(note.name)
        return _HISTOGRAM, self._name(note.name), b"", 0.0

    def _line(self, labels: Mapping[str, str]) -> tuple[int, int, bytes, float]:
        name = labels.get("__name__", "")
        for suffix, kind in _SUFFIXES.items():
            if name.endswith(suffix):
                base = name.removesuffix(suffix)
                bound = _bound(labels.get("le", "")) if kind == _BUCKET else 0.0
                return _OTHER if bound is None else kind, self._name(base), _native_text(base, labels), bound or 0.0
        # A series of the name of a histogram does not end its run.
        return _OTHER, _NONE, _native_text(name, labels) if name in self._types else b"", 0.0


def _bound(text: str) -> float | None:
    try:
        bound = float(text) if text.strip() == text and "_" not in text else np.nan
    except ValueError:
        return None
    return None if np.isnan(bound) else bound


def _native_text(name: str, labels: Mapping[str, str]) -> bytes:
    """The native series as a line of text would have it."""
    others = sorted((key, value) for key, value in labels.items() if key not in {"__name__", "le"})
    parts = [_quoted(name), *(f"{_quoted(key)}={_quoted(value)}" for key, value in others)]
    return f"{{{','.join(parts)}}}".encode()


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"')
    return f'"{escaped}"'


@lean
def _copy_line(source: Any, row: int, has_exemplar: bool, made: Any) -> None:
    """A line that stays."""
    at = made.state[_ROWS]
    for column in range(made.facts.shape[1]):
        made.facts[at, column] = source.facts[row, column]
    # Here these say where a native histogram is.
    made.facts[at, VALUE] = made.facts[at, VALUE_END] = 0
    if not has_exemplar:
        made.facts[at, EXEMPLAR] = made.facts[at, EXEMPLAR_END] = 0
    made.values[at], made.times[at] = source.values[row], source.times[row]
    made.state[_ROWS] = at + 1


@lean
def _gather(source: Any, row: int, kind: int, bound: float, found: Any, made: Any) -> None:
    """A line of the run."""
    value = source.values[row]
    if kind == _BUCKET:
        add_bucket(found, bound, value)
    elif kind == _COUNT:
        set_count(found, value)
    else:
        set_sum(found, value)
    if source.facts[row, EXEMPLAR_END]:
        pin = made.state[_PINS]
        made.pins[pin, 1] = made.state[_SLOT]
        made.pins[pin, 2], made.pins[pin, 3] = source.facts[row, EXEMPLAR], source.facts[row, EXEMPLAR_END]
        made.state[_PINS] = pin + 1
    made.state[_SLOT] += 1


@lean
def _end_run(source: Any, last: int, first_pin: int, found: Any, made: Any) -> None:
    """The run ends with the line `last`: a line for its native histogram, or a fault."""
    state = made.state
    begin, at, group = state[_WRITTEN], state[_ROWS], state[_GROUP]
    state[_GROUP] = _NONE
    end = put_histogram(found, made.out, begin, source.times_ms[last], False)
    if end < 0:
        made.faults[state[_FAULTS], 0], made.faults[state[_FAULTS], 1] = group, -end
        state[_FAULTS] += 1
        state[_PINS] = first_pin
        return
    for column in range(made.facts.shape[1]):
        made.facts[at, column] = 0
    made.facts[at, ENTRY], made.facts[at, VALUE], made.facts[at, VALUE_END] = group, begin, end
    made.values[at], made.times[at] = 0.0, source.times[last]
    for pin in range(first_pin, state[_PINS]):
        made.pins[pin, 0] = at
    state[_WRITTEN] = end
    state[_ROWS] = at + 1


@compiled
def _convert(source: Any, facts: Any, keep: bool, found: Any, made: Any) -> None:
    """Find the runs; see `ClassicLines.convert`."""
    comments, state = source.comments, made.state
    state[_GROUP] = _NONE
    name = np.int64(_NONE)
    last = first_pin = comment = 0
    for row in range(len(source.facts)):
        entry = source.facts[row, ENTRY]
        while comment < len(comments) and comments[comment, TEXT] < source.facts[row, TEXT]:
            # A comment of any kind ends a run.
            if state[_GROUP] >= 0:
                _end_run(source, last, first_pin, found, made)
            said = comments[comment, ENTRY]
            if facts.kinds[said] == _HISTOGRAM:
                name = facts.names[said]
            comment += 1
        group = facts.groups[entry]
        if state[_GROUP] >= 0 and group != state[_GROUP]:
            _end_run(source, last, first_pin, found, made)
        kind = facts.kinds[entry]
        if kind == _OTHER or name < 0 or facts.names[entry] != name:
            _copy_line(source, row, True, made)
            continue
        if state[_GROUP] < 0:
            clear(found)
            state[_GROUP], state[_SLOT] = group, 0
            first_pin = state[_PINS]
        _gather(source, row, kind, facts.bounds[entry], found, made)
        last = row
        if keep:
            _copy_line(source, row, False, made)
    if state[_GROUP] >= 0:
        _end_run(source, last, first_pin, found, made)
