"""Requests that grow as they are rewritten, through functions that are not compiled: an index out of bounds is an error."""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
from pathlib import Path

os.environ["NUMBA_DISABLE_JIT"] = "1"

import numpy as np
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest

from vedette.server.ingest import remote_write_kernel
from vedette.server.ingest.deltas import DeltaStreams
from vedette.server.ingest.points_kernel import without_points
from vedette.server.scrape.lines import Texts
from vedette.server.scrape.protobuf import read_families

np.seterr(over="ignore")
TIME_NS = 1_700_000_000_000_000_000
DELTA = 1


def field(number: int, content: bytes) -> bytes:
    return varint(number << 3 | 2) + varint(len(content)) + content


def varint(number: int) -> bytes:
    found = b""
    while number > 0x7F:
        found += bytes([number & 0x7F | 0x80])
        number >>= 7
    return found + bytes([number])


def full_of_nothing() -> ExportMetricsServiceRequest:
    """Resources, scopes and metrics that are empty, which take two bytes each, and room for one metric."""
    request = ExportMetricsServiceRequest()
    for _ in range(40):
        scope = request.resource_metrics.add().scope_metrics.add()
        for _ in range(10):
            scope.metrics.add()
    for _ in range(400):
        request.resource_metrics.add()
    return request


def points_are_taken_out_of_a_request() -> None:
    request = full_of_nothing()
    request.resource_metrics[0].scope_metrics[0].metrics[0].gauge.data_points.add(time_unix_nano=TIME_NS, as_int=1)
    data = np.frombuffer(request.SerializeToString(), np.uint8)
    left = ExportMetricsServiceRequest.FromString(without_points(data, np.ones(1, np.bool_)))
    request.resource_metrics[0].scope_metrics[0].metrics[0].gauge.ClearField("data_points")
    assert left == request


def deltas_are_summed_up() -> None:
    request = full_of_nothing()
    timed = request.resource_metrics[0].scope_metrics[0].metrics[0].histogram
    timed.aggregation_temporality = DELTA
    timed.data_points.add(time_unix_nano=TIME_NS, count=5, bucket_counts=[1] * 5001, explicit_bounds=range(5000))
    again = ExportMetricsServiceRequest()
    again.CopyFrom(request)
    # The same stream at the same time, with other buckets: what the first had is not what is written.
    points = again.resource_metrics[0].scope_metrics[0].metrics[0].histogram.data_points
    for _ in range(20):
        points.add(time_unix_nano=TIME_NS, count=2, bucket_counts=[1, 1], explicit_bounds=[1])
        points.add(time_unix_nano=TIME_NS, count=3)
    del points[0]
    with tempfile.TemporaryDirectory() as folder:
        streams = DeltaStreams(Path(folder) / "sums", 1 << 24)
        for sent in (request, again):
            found = asyncio.run(streams.cumulative("acme", sent.SerializeToString()))
            read = ExportMetricsServiceRequest.FromString(found.message)
            written = read.resource_metrics[0].scope_metrics[0].metrics[0].histogram.data_points
            whole = sent.resource_metrics[0].scope_metrics[0].metrics[0].histogram.data_points
            assert [(len(one.bucket_counts), one.count) for one in written] == [
                (len(one.bucket_counts), one.count) for one in whole
            ]


def a_scraped_family_has_labels_of_nothing() -> None:
    labels = b"".join(field(1, b"") for _ in range(1500))
    buckets = b"".join(field(3, b"\x08\x01\x11" + bytes(7) + bytes([number])) for number in range(4))
    family = field(1, b"h") + b"\x18\x04" + field(4, labels + field(7, buckets))
    found = read_families(varint(len(family)) + family, Texts(), 0, native=False, classic=True, honor_timestamps=True)
    assert len(found.values) == 4 + 3


def a_written_series_is_longer_than_what_it_refers_to() -> None:
    symbols = [b"", b"__name__", b"up", b"v" * 2000, *(b"l%d" % number for number in range(60))]
    references = varint(1) + varint(2) + b"".join(varint(4 + number) + varint(3) for number in range(60))
    sample = field(2, b"\x09" + bytes(8) + b"\x10" + varint(1_700_000_000_000))
    histogram = field(3, b"\x78" + varint(1_700_000_000_000) + field(11, b"\x10\x7f") + field(13, bytes(8 * 0x7F)))
    about = field(5, b"\x08\x01\x18\x03\x20\x03\x30" + b"\xff" * 9 + b"\x01")
    series = field(5, field(1, references) + sample + histogram + about + b"\x30" + b"\xff" * 9 + b"\x01")
    body = b"".join(field(4, symbol) for symbol in symbols) + series
    whole, _, _ = remote_write_kernel.convert_request(body, two=True, max_bytes=1 << 20)
    assert whole > 120_000
    for room in (50, 120_100, whole - 700, whole - 60, whole - 1):
        size, _, _ = remote_write_kernel.convert_request(body, two=True, max_bytes=room)
        assert size == remote_write_kernel.NO_ROOM


CASES = (
    points_are_taken_out_of_a_request,
    deltas_are_summed_up,
    a_scraped_family_has_labels_of_nothing,
    a_written_series_is_longer_than_what_it_refers_to,
)

if __name__ == "__main__":
    next(case for case in CASES if case.__name__ == sys.argv[1])()
