"""Series that were written before: their samples go by id, and nobody can tell."""

from __future__ import annotations

import struct
import time

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from write_requests import ONE, PATH, STALE, histogram, labels_one, packed, sample, series_one

from vedette.server.ingest.known_series import KnownSeries
from vedette.server.ingest.series_ids import series_id

_TIMES = st.integers(0, 4_000_000_000_000)
_LABELS = st.dictionaries(st.text("abc", min_size=1, max_size=2), st.text("xyzé", max_size=10), max_size=3)
_SAMPLES = st.lists(st.tuples(_TIMES, st.floats(allow_nan=False)), min_size=1, max_size=3)


def _numbers(message: bytes) -> list[np.ndarray]:
    """The three lists of a message of samples by id."""
    found, at = [], 0
    while at < len(message):
        size = shift = 0
        at += 1
        while True:
            byte = message[at]
            at += 1
            size |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                break
        found.append(np.frombuffer(message[at : at + size], np.uint64))
        at += size
    return found


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(_LABELS, _SAMPLES), max_size=5))
def test_what_was_told_goes_by_id_with_its_values(series):
    named = [({"__name__": f"m{i}", **labels}, samples) for i, (labels, samples) in enumerate(series)]
    message = b"".join(
        series_one(sorted(labels.items()), *((2, sample(value, at)) for at, value in samples))
        for labels, samples in named
    )
    known = KnownSeries()
    first = known.split("acme", message)
    assert (first.message, first.sample_rows) == (message, 0)
    known.remember(first)
    again = known.split("acme", message)
    # What lies in several hours or days keeps its labels.
    kept = [series_id("acme", labels) for labels, _ in named]
    by_id = set(first.new_ids.tolist())
    expected = [
        (id_, at, struct.unpack("<Q", struct.pack("<d", value))[0])
        for id_, (_, samples) in zip(kept, named, strict=True)
        for at, value in samples
        if id_ in by_id
    ]
    found = list(zip(*(one.tolist() for one in _numbers(again.samples)), strict=True)) if again.sample_rows else []
    assert found == expected
    assert again.message == b"".join(
        series_one(sorted(labels.items()), *((2, sample(value, at)) for at, value in samples))
        for id_, (labels, samples) in zip(kept, named, strict=True)
        if id_ not in by_id
    )
    # Another tenant's series is another one, and a day later labels are told again.
    assert known.split("other", message).sample_rows == 0


def test_nothing_else_goes_by_id():
    labels = [("__name__", "m")]
    known = KnownSeries()
    known.remember(known.split("acme", series_one(labels, (2, sample(1.0, 1000)))))
    native = {"schema": 0, "count": 1.0, "sum": 1.0, "zero_count": 0.0, "zero_threshold": 0.1, "positive": {1: 1.0}}
    exemplar = labels_one([("trace_id", "1")])
    for more in ((4, histogram(native, 2000)), (3, exemplar)):
        message = series_one(labels, (2, sample(1.0, 1000)), more)
        assert known.split("acme", message).message == message
    for other in (sample(1.0, 1000, start_ms=500), sample(1.0, 1000 + 86_400_000), sample(1.0, 1000 + 3_600_000)):
        message = series_one(labels, (2, other))
        assert known.split("acme", message).message == message
    assert known.split("acme", series_one(labels, (2, sample(2.0, 1001)))).sample_rows == 1


def test_many_series_fit():
    known = KnownSeries()
    messages = [
        b"".join(series_one([("__name__", "m"), ("i", f"{block}-{i}")], (2, sample(1.0, 1000))) for i in range(1000))
        for block in range(12)
    ]
    for message in messages:
        known.remember(known.split("acme", message))
    assert [known.split("acme", message).sample_rows for message in messages] == [1000] * 12


def test_samples_of_known_series_are_kept_with_their_labels(shared_platform):
    now = time.time_ns() // 1_000_000
    headers = ONE | {"X-Scope-OrgID": "known"}
    for step, value in enumerate((1.0, -0.0, STALE, 4.0)):
        body = b"".join(
            series_one([("__name__", "m"), ("i", str(i)), ("none", "")], (2, sample(value, now + step)))
            for i in range(3)
        )
        answer = shared_platform.request(PATH, packed(body), headers=headers)
        assert answer.status == 204
        assert answer.headers["x-prometheus-remote-write-samples-written"] == "3"
    shared_platform.loaded()  # samples may be there a moment before their series
    assert shared_platform.sql("SELECT count() AS n FROM samples", "known") == [{"n": 12}]
    rows = shared_platform.sql(
        "SELECT reinterpretAsUInt64(value) AS bits, count() AS n FROM samples "
        "WHERE series IN (SELECT id FROM series WHERE labels['i'] IN ('0', '1', '2')) GROUP BY time, bits ORDER BY time",
        "known",
    )
    bits = [struct.unpack("<Q", struct.pack("<d", value))[0] for value in (1.0, -0.0)]
    expected = [bits[0], bits[1], 0x7FF0000000000002, struct.unpack("<Q", struct.pack("<d", 4.0))[0]]
    assert [(int(row["bits"]), int(row["n"])) for row in rows] == [(one, 3) for one in expected]
    assert len(shared_platform.sql("SELECT DISTINCT id FROM series", "known")) == 3
