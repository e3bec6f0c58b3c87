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
