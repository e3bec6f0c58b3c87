"""Remote read: a real Prometheus evaluates on our samples, and what is wrong with a request is said."""

from __future__ import annotations

import json
import shutil
import struct
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import cramjam
import pytest
from real_platform import free_port

sys.path[:0] = [str(Path(__file__).parent.parent / "remote_write")]

from write_requests import ONE, PATH, STALE, field, histogram, number, packed, sample, series_one  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Iterator

PROMETHEUS = shutil.which("prometheus")
TENANT = "default"
"""Debian's Prometheus sends no headers of its own with remote read, so it cannot name another."""
READ = "/prometheus/api/v1/read"
STEP_MS = 15_000
BEGIN_MS = (time.time_ns() // 1_000_000 - 3_600_000) // 60_000 * 60_000
COUNT = 100
NATIVE = {"schema": 0, "count": 3.0, "sum": 5.0, "positive": {0: 1.0, 1: 2.0}}


@pytest.fixture(scope="module")
def filled(shared_platform):
    """Two counters, of which one is reset and one ends, and a native histogram."""
    body = b""
    for name in "ab":
        points = [(2, sample(i % 40 * 1.5, BEGIN_MS + i * STEP_MS)) for i in range(COUNT if name == "a" else 50)]
        if name == "b":
            points.append((2, sample(STALE, BEGIN_MS + 50 * STEP_MS)))
        body += series_one([("__name__", "read_total"), ("job", name)], *points)
    body += series_one([("__name__", "read_sizes")], (4, histogram(NATIVE, BEGIN_MS)))
    headers = ONE | {"X-Scope-OrgID": TENANT}
    assert shared_platform.request(PATH, packed(body), headers=headers).status == 204
    shared_platform.eventually(
        "SELECT (SELECT count() FROM samples WHERE series IN (SELECT id FROM series WHERE name = 'read_total')) "
        "+ (SELECT count() FROM histograms WHERE series IN (SELECT id FROM series WHERE name = 'read_sizes'))",
        COUNT + 52,
    )
    return shared_platform


def _matcher(kind: int, name: str, value: str) -> bytes:
    return field(3, number(1, kind) + field(2, name.encode()) + field(3, value.encode()))


def _read(platform: Any, *queries: bytes, **headers: str) -> Any:
    body = b"".join(field(1, query) for query in queries)
    named = {"Content-Encoding": "snappy", "Content-Type": "application/x-protobuf", "X-Scope-OrgID": TENANT} | headers
    return platform.request(READ, bytes(cramjam.snappy.compress_raw(body)), headers=named)


def _fields(body: bytes) -> Iterator[tuple[int, Any]]:
    def varint(at: int) -> tuple[int, int]:
        value = shift = 0
        while True:
            value |= (body[at] & 0x7F) << shift
            at, shift = at + 1, shift + 7
            if body[at - 1] < 0x80:
                return value, at

    at = 0
    while at < len(body):
        tag, at = varint(at)
        if tag & 7 == 0:
            value, at = varint(at)
            yield tag >> 3, value
        elif tag & 7 == 1:
            yield tag >> 3, struct.unpack_from("<d", body, at)[0]
            at += 8
        else:
            size, at = varint(at)
            yield tag >> 3, body[at : at + size]
            at += size


def _range(*matchers: bytes, begin: int = BEGIN_MS, end: int = BEGIN_MS + COUNT * STEP_MS) -> bytes:
    return number(1, begin) + number(2, end) + b"".join(matchers)


def test_every_sample_comes_as_it_was_written(filled):
    wanted = _range(_matcher(2, "__name__", "read_.*"), _matcher(1, "job", "a"))
    one = _range(_matcher(0, "__name__", "read_total"), _matcher(3, "job", "b"), end=BEGIN_MS + 2 * STEP_MS)
    while True:
        answer = _read(filled, wanted, one)
        assert answer.status == 200, answer.body
        assert answer.headers["content-type"] == "application/x-protobuf"
        results = [content for _, content in _fields(bytes(cramjam.snappy.decompress_raw(answer.body)))]
        found = [[list(_fields(series)) for _, series in _fields(result)] for result in results]
        if len(found[0]) == 2:  # labels are at most two seconds behind the tables
            break
        time.sleep(0.1)
    sizes, ended = found[0]
    assert [[content for _, content in _fields(label)] for n, label in sizes if n == 1] == [
        [b"__name__", b"read_sizes"]
    ]
    [native] = [dict(_fields(content)) for n, content in sizes if n == 4]
    assert (native[2], native[3], native[15]) == (3.0, 5.0, BEGIN_MS)
    assert [content for n, content in _fields(dict(sizes)[4]) if n == 13] == [struct.pack("<2d", 1, 2)]
    samples = [dict(_fields(content)) for n, content in ended if n == 2]
    assert [one[2] for one in samples] == [BEGIN_MS + i * STEP_MS for i in range(51)]
    assert [one[1] for one in samples[:50]] == [i % 40 * 1.5 for i in range(50)]
    assert struct.pack("<d", samples[50][1]) == struct.pack("<Q", 0x7FF0000000000002)
    [few] = found[1]
    assert [dict(_fields(content))[1] for n, content in few if n == 2] == [0.0, 1.5, 3.0]


def _streamed(body: bytes) -> list[tuple[int, list[list[bytes]], list[tuple[int, bytes]]]]:
    """Frames as (query, labels, samples as times and the bits of values)."""
    at, found = 0, []
    while at < len(body):
        size = shift = 0
        while True:
            byte, at = body[at], at + 1
            size |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                break
        message = body[at + 4 : at + 4 + size]
        crc = 0xFFFFFFFF
        for byte in message:
            crc ^= byte
            for _ in range(8):
                crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
        assert crc ^ 0xFFFFFFFF == int.from_bytes(body[at : at + 4], "big")
        at += 4 + size
        fields = list(_fields(message))
        query = dict(fields).get(2, 0)
        for series in (content for kind, content in fields if kind == 1):
            inner = list(_fields(series))
            labels = [[text for _, text in _fields(label)] for number, label in inner if number == 1]
            chunks = [dict(_fields(chunk)) for number, chunk in inner if number == 2]
            assert {chunk[3] for chunk in chunks} == {1}
            samples = [one for chunk in chunks for one in _of_chunk(chunk[4])]
            assert (chunks[0][1], chunks[-1][2]) == (samples[0][0], samples[-1][0])
            found.append((query, labels, samples))
    return found


def _of_chunk(data: bytes) -> list[tuple[int, bytes]]:
    """A chunk by the description in Prometheus' documentation."""
    bits = "".join(f"{byte:08b}" for byte in data)
    at = 16

    def take(count: int) -> int:
        nonlocal at
        at += count
        return int(bits[at - count : at], 2) if count else 0

    def uvarint() -> int:
        value = shift = 0
        while True:
            byte = take(8)
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return value

    zigzag = uvarint()
    time_ms, value = (zigzag >> 1) ^ -(zigzag & 1), take(64)
    samples, step, leading, significant = [(time_ms, struct.pack(">Q", value))], 0, 0, 0
    for place in range(1, int.from_bytes(data[:2], "big")):
        if place == 1:
            step = uvarint()
        else:
            ones = 0
            while ones < 4 and take(1):
                ones += 1
            width = (0, 14, 17, 20, 64)[ones]
            change = take(width)
            step += change - (1 << width) if width and change > 1 << (width - 1) else change
        time_ms += step
        if take(1):
            if take(1):
                leading, significant = take(5), take(6) or 64
            value ^= take(significant) << (64 - leading - significant)
        samples.append((time_ms, struct.pack(">Q", value)))
    return samples


def _chunked(path: str, query: bytes, wanted: bytes = b"\x12\x02\x01\x00") -> Any:
    headers = {"Content-Encoding": "snappy", "Content-Type": "application/x-protobuf", "X-Scope-OrgID": TENANT}
    request = urllib.request.Request(path, bytes(cramjam.snappy.compress_raw(field(1, query) + wanted)), headers)
    with urllib.request.urlopen(request) as answer:
        return answer.headers["content-type"], answer.read()


def test_chunks_are_streamed_as_a_real_prometheus_streams_them(filled, tmp_path):
    """The same samples in both: hard ones, with steps and values of every size."""
    values = [0.0, -0.0, 1.0, 1.0, 1e300, 5e-324, -1.5, 123456.789, float("inf"), STALE, 2.0**53, 0.1]
    steps = [1, 1, 15_000, 15_000, 15_001, 14_000, 8_192 + 14_000, 70_000, 3, 600_000, 15_000, 15_000]
    points, at = [], BEGIN_MS
    for turn in range(30):
        for value, step in zip(values, steps, strict=True):
            at += step
            points.append((2, sample(value * (1 + turn % 3), at)))
    body = series_one([("__name__", "hard"), ("job", "j")], *points)
    assert filled.request(PATH, packed(body), headers=ONE | {"X-Scope-OrgID": TENANT}).status == 204
    query = _range(_matcher(2, "__name__", "hard|read_total"), _matcher(2, "job", "[aj]"), end=at)
    while True:
        kind, streamed = _chunked(filled.url + READ, query)
        assert kind == "application/x-streamed-protobuf; proto=prometheus.ChunkedReadResponse"
        ours = _streamed(streamed)
        if len(ours) == 2 and len(ours[0][2]) == len(points):
            break
        time.sleep(0.1)
    assert [labels for _, labels, _ in ours] == [
        [[b"__name__", b"hard"], [b"job", b"j"]], [[b"__name__", b"read_total"], [b"job", b"a"]],
    ]  # fmt: skip
    assert [len(samples) for _, _, samples in ours] == [len(points), COUNT]
    # Who likes samples better, or asks for native histograms too, gets a message as a whole.
    assert _chunked(filled.url + READ, query, b"\x10\x00\x10\x01")[0] == "application/x-protobuf"
    native = _range(_matcher(0, "__name__", "read_sizes"))
    assert _chunked(filled.url + READ, native)[0] == "application/x-protobuf"
    if PROMETHEUS is None:
        pytest.skip("Debian's prometheus is not installed")
    (tmp_path / "prometheus.yml").write_text("{}")
    port = free_port()
    command = [PROMETHEUS, f"--config.file={tmp_path}/prometheus.yml", f"--storage.tsdb.path={tmp_path}/db"]
    command += ["--web.enable-remote-write-receiver", f"--web.listen-address=127.0.0.1:{port}"]
    with (tmp_path / "log").open("w") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        while True:
            write = urllib.request.Request(f"http://127.0.0.1:{port}/api/v1/write", packed(body), ONE)
            try:
                with urllib.request.urlopen(write) as answer:
                    assert answer.status == 204
                    break
            except (urllib.error.URLError, ConnectionError):
                time.sleep(0.1)
        theirs = _streamed(_chunked(f"http://127.0.0.1:{port}/api/v1/read", query)[1])
        assert theirs == ours[:1]
    finally:
        process.terminate()
        process.wait()


def test_what_is_wrong_is_said(filled):
    for query, message in (
        (_range(), "at least one matcher"),
        (_range(_matcher(2, "__name__", "(")), "missing closing )"),
        (_range(_matcher(7, "__name__", "a")), "none of EQ, NEQ, RE and NRE"),
        (b"\x0a\xff", "not a valid protobuf prometheus.ReadRequest"),
    ):
        answer = _read(filled, query)
        assert answer.status == 400
        assert message in answer.json()["error"]
    assert filled.request(READ, b"\xff\xff\xff\xff\xff", headers={"X-Scope-OrgID": TENANT}).status == 400
    assert _read(filled, _range(_matcher(0, "a", "b")), **{"Content-Encoding": "gzip"}).status == 415


def test_a_real_prometheus_reads_and_answers_the_same(filled, tmp_path):
    if PROMETHEUS is None:
        pytest.skip("Debian's prometheus is not installed")
    remote = {"url": filled.url + READ, "read_recent": True}
    (tmp_path / "prometheus.yml").write_text(json.dumps({"remote_read": [remote]}))
    port = free_port()
    command = [
        PROMETHEUS,
        "--config.file",
        str(tmp_path / "prometheus.yml"),
        "--storage.tsdb.path",
        str(tmp_path / "db"),
    ]
    with (tmp_path / "log").open("w") as log:
        process = subprocess.Popen([*command, "--web.listen-address", f"127.0.0.1:{port}"], stdout=log, stderr=log)
    try:
        # A second beside the samples: this Prometheus has windows that are closed at both ends.
        times = {"start": BEGIN_MS / 1000 + 301, "end": BEGIN_MS / 1000 + COUNT * 15, "step": 60}
        for query in ("read_total", "sum by (job) (rate(read_total[2m]))", 'max_over_time(read_total{job=~"a|c"}[5m])'):
            theirs = _ask(f"http://127.0.0.1:{port}", query, times)
            assert theirs, query
            assert theirs == _ask(f"{filled.url}/prometheus", query, times)
    finally:
        process.terminate()
        process.wait()


def _ask(url: str, query: str, times: dict[str, float]) -> Any:
    form = urlencode({"query": query, **times}).encode()
    while True:
        request = urllib.request.Request(f"{url}/api/v1/query_range", form, {"X-Scope-OrgID": TENANT})
        try:
            with urllib.request.urlopen(request) as answer:
                document = json.load(answer)
                assert not document.get("warnings"), document["warnings"]
                found = document["data"]["result"]
        except (urllib.error.URLError, ConnectionError):
            time.sleep(0.1)
            continue
        return sorted(
            (sorted(one["metric"].items()), [(at, round(float(value), 9)) for at, value in one["values"]])
            for one in found
        )
