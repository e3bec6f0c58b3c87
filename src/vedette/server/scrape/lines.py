# What is compiled takes positional arguments and constants as they are; few functions compile sooner than many.
# ruff: noqa: ANN401, C901, FBT001, PLR0917, PLR1714, PLR2004, SIM109, SIM110
# mypy: disable-error-code="arg-type,assignment,call-overload,no-any-return,return-value"
"""The lines of an exposition, found by compiled code over its bytes: https://prometheus.io/docs/instrumenting/exposition_formats/.

A line of a sample is the text of its series, a value and perhaps a time. The text is looked up in the memory of what
the target said before, first where it stood then, so that a line which is known costs a comparison of its bytes.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from vedette.errors import InvalidInput
from vedette.server.compiled import compiled, lean
from vedette.server.ingest.protobuf_kernel import fixed64

__all__ = [
    "ENTRY",
    "EXEMPLAR",
    "EXEMPLAR_END",
    "TEXT",
    "TEXT_END",
    "VALUE",
    "VALUE_END",
    "Lines",
    "Texts",
    "read_lines",
]

_NO_VALUE, _NO_END, _TOO_MUCH, _BEHIND_EOF, _NO_NUMBER = 1, 2, 3, 4, 5
_FAULTS = {
    _NO_VALUE: "a line is a series, a value and perhaps a timestamp",
    _NO_END: "the labels do not end",
    _TOO_MUCH: "a line is a series, a value and perhaps a timestamp",
    _BEHIND_EOF: "there is text behind # EOF",
    _NO_NUMBER: "that is no number",
}
_LONGEST_NUMBER = 64
_EXACT = 1 << 53
_BLANK, _TAB, _RETURN, _QUOTE, _SHARP, _BACKSLASH = 32, 9, 13, 34, 35, 92
_OPEN, _CLOSE = 123, 125
_POWERS = 10.0 ** np.arange(23)

# Columns of a line: its entry in the memory or -1, its text, the digits of its value and of its time where they are to
# be read with care (0 where they are done), its exemplar, its number.
ENTRY, TEXT, TEXT_END, VALUE, VALUE_END, TIME, TIME_END, EXEMPLAR, EXEMPLAR_END, PLACE = range(10)

_inlined = partial(compiled, inline="always")  # what is done once a line: as calls they cost a third more


@lean
def _is_blank(byte: Any) -> bool:
    return byte == _BLANK or byte == _TAB or byte == _RETURN


@lean
def _number(data: Any, at: int, end: int) -> tuple[float, int]:
    """A number and 1; or 0 if it is to be read with care, -1 if it can be none."""
    first = at
    negative = data[at] == 45
    if negative or data[at] == 43:
        at += 1
    if at < end and data[at] > 57:
        # Inf, Infinity, NaN in any case, and nothing else that begins with a letter.
        return 0.0, 0 if end - first <= 9 else -1
    mantissa = np.int64(0)
    exponent = np.int64(0)
    digits = 0
    point = False
    while at < end:
        byte = data[at]
        if 48 <= byte <= 57:
            if mantissa >= 900_719_925_474_099:
                break
            mantissa = mantissa * 10 + (byte - 48)
            digits += 1
            if point:
                exponent -= 1
        elif byte == 46 and not point:
            point = True
        else:
            break
        at += 1
    if at == end and digits and exponent >= -22:
        value = mantissa / _POWERS[-exponent]
        return -value if negative else value, 1
    if end - first > _LONGEST_NUMBER:
        return 0.0, -1
    for i in range(at, end):
        byte = data[i]
        if not (48 <= byte <= 57 or byte == 43 or byte == 45 or byte == 46 or byte == 101 or byte == 69):
            return 0.0, -1
    return 0.0, 0


@lean
def _is_same(data: Any, at: int, end: int, texts: Any, begin: int, stop: int) -> bool:
    if end - at != stop - begin:
        return False
    while at + 8 <= end:
        if fixed64(data, at) != fixed64(texts, begin):
            return False
        at += 8
        begin += 8
    for i in range(end - at):
        if data[at + i] != texts[begin + i]:
            return False
    return True


@lean
def _hash(data: Any, at: int, end: int) -> Any:
    """FNV-1a, with its bits mixed."""
    value = np.uint64(14695981039346656037)
    for i in range(at, end):
        value = (value ^ np.uint64(data[i])) * np.uint64(1099511628211)
    return value ^ (value >> np.uint64(29))


@lean
def _find(data: Any, at: int, end: int, texts: Any, places: Any, slots: Any) -> int:
    """The entry with this text, or -1."""
    mask = np.uint64(len(slots) - 1)
    slot = _hash(data, at, end) & mask
    while slots[slot] >= 0:
        entry = slots[slot]
        if _is_same(data, at, end, texts, places[entry], places[entry + 1]):
            return entry
        slot = (slot + np.uint64(1)) & mask
    return -1


@compiled
def _fill(texts: Any, places: Any, slots: Any, first: int) -> None:
    """Put the entries from `first` on into the table."""
    mask = np.uint64(len(slots) - 1)
    for entry in range(first, len(places) - 1):
        slot = _hash(texts, places[entry], places[entry + 1]) & mask
        while slots[slot] >= 0:
            slot = (slot + np.uint64(1)) & mask
        slots[slot] = entry


@lean
def _series_end(data: Any, at: int, end: int) -> int:
    """Where the text of a series ends; -1 if its labels do not."""
    while at < end and data[at] != _OPEN and not _is_blank(data[at]):
        at += 1
    brace = at
    while brace < end and _is_blank(data[brace]):
        brace += 1
    if brace == end or data[brace] != _OPEN:
        return at
    quoted = False
    at = brace + 1
    while at < end:
        byte = data[at]
        if quoted and byte == _BACKSLASH:
            at += 1
        elif byte == _QUOTE:
            quoted = not quoted
        elif byte == _CLOSE and not quoted:
            return at + 1
        at += 1
    return -1


@lean
def _word(data: Any, at: int, end: int) -> tuple[int, int]:
    """The next word behind blanks: where it begins and ends."""
    while at < end and _is_blank(data[at]):
        at += 1
    begin = at
    while at < end and not _is_blank(data[at]):
        at += 1
    return begin, at


@lean
def _is_eof(data: Any, at: int, end: int) -> bool:
    return end - at == 5 and data[at + 1] == 32 and data[at + 2] == 69 and data[at + 3] == 79 and data[at + 4] == 70


@lean
def _comment(data: Any, begin: int, end: int, expected: int, texts: Any, places: Any, slots: Any) -> int:
    """The entry of a comment: the one that came next the last time, or any; -1 for none."""
    if expected < len(places) - 1 and _is_same(data, begin, end, texts, places[expected], places[expected + 1]):
        return expected
    return _find(data, begin, end, texts, places, slots)


@lean
def _series(data: Any, begin: int, end: int, expected: int, texts: Any, places: Any, slots: Any) -> tuple[int, int]:
    """Where the text of a line's series ends, -1 if its labels do not, and its entry, -1 for none."""
    if expected < len(places) - 1:
        # The line that came next the last time.
        close = begin + places[expected + 1] - places[expected]
        if (
            close < end
            and _is_blank(data[close])
            and _is_same(data, begin, close, texts, places[expected], places[expected + 1])
        ):
            return close, expected
    close = _series_end(data, begin, end)
    return close, -1 if close < 0 else _find(data, begin, close, texts, places, slots)


@_inlined
def _figures(data: Any, at: int, end: int, openmetrics: bool, line: Any) -> tuple[int, float, float]:
    """What stands behind a series: a fault or 0, the value, the time (NaN for none). `line` learns their places."""
    line[TIME] = line[TIME_END] = line[EXEMPLAR] = line[EXEMPLAR_END] = 0
    time = np.nan
    word, word_end = _word(data, at, end)
    if word == word_end:
        return _NO_VALUE, 0.0, time
    value, state = _number(data, word, word_end)
    if state < 0:
        return _NO_NUMBER, 0.0, time
    line[VALUE], line[VALUE_END] = (0, 0) if state else (word, word_end)
    word, word_end = _word(data, word_end, end)
    if word < word_end and not (openmetrics and word_end == word + 1 and data[word] == _SHARP):
        time, state = _number(data, word, word_end)
        if state < 0:
            return _NO_NUMBER, 0.0, time
        if state == 0:
            line[TIME], line[TIME_END] = word, word_end
        word, word_end = _word(data, word_end, end)
    if word < word_end:
        if not (openmetrics and word_end == word + 1 and data[word] == _SHARP) or word_end == end:
            return _TOO_MUCH, 0.0, time
        line[EXEMPLAR], line[EXEMPLAR_END] = word_end, end
    return 0, value, time


@_inlined
def _line(data: Any, at: int) -> tuple[int, int, int]:
    """The line at `at` without blanks around it: where it begins and ends, and where the next one begins."""
    stop = at
    while stop < len(data) and data[stop] != 10:
        stop += 1
    begin, end = at, stop
    while begin < end and _is_blank(data[begin]):
        begin += 1
    while end > begin and _is_blank(data[end - 1]):
        end -= 1
    return begin, end, stop + 1


@compiled
def _scan(
    data: Any,
    openmetrics: bool,
    texts: Any,
    places: Any,
    slots: Any,
    lines: Any,
    values: Any,
    times: Any,
    notes: Any,
    facts: Any,
) -> int:
    """Find samples and comments. Returns 0 or a fault; `facts` is then the line's number and where it begins and ends.

    Else `facts` is how many samples and comments there are, and whether there was an end.
    """
    count = comments = number = at = expected = 0
    ended = False
    while at < len(data):
        begin, end, at = _line(data, at)
        number += 1
        if begin == end:
            continue
        facts[0], facts[1], facts[2] = number, begin, end
        if ended:
            return _BEHIND_EOF
        if data[begin] == _SHARP:
            if openmetrics and _is_eof(data, begin, end):
                ended = True
                continue
            entry = _comment(data, begin, end, expected, texts, places, slots)
            notes[comments, ENTRY], notes[comments, TEXT], notes[comments, TEXT_END] = entry, begin, end
            comments += 1
        else:
            close, entry = _series(data, begin, end, expected, texts, places, slots)
            if close < 0:
                return _NO_END
            line = lines[count]
            line[ENTRY], line[TEXT], line[TEXT_END], line[PLACE] = entry, begin, close, number
            fault, values[count], times[count] = _figures(data, close, end, openmetrics, line)
            if fault:
                return fault
            count += 1
        if entry >= 0:
            expected = entry + 1
    facts[0], facts[1], facts[2] = count, comments, ended
    return 0


class Texts:
    """Texts that are known, in the order in which they came: entry i is ``texts[places[i]:places[i + 1]]``."""

    def __init__(self) -> None:
        self.texts = np.empty(0, np.uint8)
        self.places = np.zeros(1, np.int64)
        self.slots = np.full(64, -1, np.int32)

    def __len__(self) -> int:
        return len(self.places) - 1

    def text(self, entry: int) -> bytes:
        """One of them."""
        return self.texts[self.places[entry] : self.places[entry + 1]].tobytes()

    def add(self, new: list[bytes]) -> None:
        """Make entries of texts that are not there yet."""
        first = len(self)
        joined = np.frombuffer(b"".join(new), np.uint8)
        ends = np.cumsum([len(text) for text in new], dtype=np.int64) + len(self.texts)
        self.texts = np.concatenate((self.texts, joined))
        self.places = np.concatenate((self.places, ends))
        if 2 * len(self) > len(self.slots):
            self.slots = np.full(1 << (2 * len(self)).bit_length(), -1, np.int32)
            first = 0
        _fill(self.texts, self.places, self.slots, first)

    def keep(self, kept: np.ndarray[Any, np.dtype[np.int64]]) -> None:
        """Forget all entries but these, which take their place in this order."""
        pieces = [self.text(i) for i in kept]
        self.__init__()  # type: ignore[misc]
        self.add(pieces)


class Lines:
    """The samples of an exposition, a row of `facts` each, and its comments' places; both lie in `data`.

    Where there are native histograms, they lie in `natives`, between the columns ``VALUE`` and ``VALUE_END`` of their
    rows. `pins` are their exemplars: a row, a number among those of the row, and where it lies in `exemplars`.
    """

    __slots__ = ("comments", "data", "exemplars", "facts", "natives", "pins", "times", "values")

    def __init__(
        self, data: bytes, facts: Any, values: Any, times: Any, comments: Any, exemplars: bytes | None = None
    ) -> None:
        self.data = data
        self.exemplars = data if exemplars is None else exemplars
        self.facts = facts
        self.values = values
        self.times = times
        self.comments = comments
        self.natives: bytes | None = None
        self.pins: Any = ()


def read_lines(data: bytes, texts: Texts, *, openmetrics: bool) -> Lines:
    """The lines of an exposition.

    Raises:
        InvalidInput: a line is none, with its number; or OpenMetrics' end is missing.
    """
    body = np.frombuffer(data, np.uint8)
    room = data.count(b"\n") + 1
    lines, notes = np.empty((room, 10), np.int64), np.empty((room, 3), np.int64)
    values, times = np.empty(room), np.empty(room)
    facts = np.zeros(3, np.int64)
    fault = int(_scan(body, openmetrics, texts.texts, texts.places, texts.slots, lines, values, times, notes, facts))
    if fault:
        raise InvalidInput(f"line {facts[0]}: {_FAULTS[fault]}: {_shown(data[facts[1] : facts[2]])}")
    if openmetrics and not facts[2]:
        raise InvalidInput("the exposition does not end with # EOF")
    count = int(facts[0])
    found = Lines(data, lines[:count], values[:count], times[:count], notes[: int(facts[1])])
    _read_carefully(found, found.values, VALUE)
    _read_carefully(found, found.times, TIME)
    return found


def _read_carefully(lines: Lines, numbers: Any, column: int) -> None:
    """Numbers of many digits, with exponents and without digits at all: numpy's parser rounds as it must."""
    chosen = np.flatnonzero(lines.facts[:, column])
    if not len(chosen):
        return
    begins = lines.facts[chosen, column]
    sizes = lines.facts[chosen, column + 1] - begins
    width = int(sizes.max())
    body = np.frombuffer(lines.data, np.uint8)
    places = np.minimum(begins[:, None] + np.arange(width), len(body) - 1)
    digits = np.where(np.arange(width) < sizes[:, None], body[places], 0).astype(np.uint8)
    try:
        numbers[chosen] = np.ascontiguousarray(digits).view(f"S{width}").ravel().astype(np.float64)
    except ValueError:
        for i in chosen:
            text = lines.data[lines.facts[i, column] : lines.facts[i, column + 1]]
            try:
                float(text)
            except ValueError:
                raise InvalidInput(f"line {lines.facts[i, PLACE]}: {_shown(text)} is no number") from None


def _shown(text: bytes) -> str:
    return repr(text.decode(errors="replace")[:200])
