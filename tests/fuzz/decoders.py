"""Feeds a decoder with what coverage finds: `python decoders.py NAME -runs=N`. Only errors that a client may see pass."""

from __future__ import annotations

import os
import sys
import warnings

import atheris

# The fuzzer sees what the interpreter runs, and an index out of bounds is an error there. Hashes overflow on purpose.
os.environ["NUMBA_DISABLE_JIT"] = "1"
warnings.filterwarnings("ignore", "overflow", RuntimeWarning)

with atheris.instrument_imports(include=["vedette"]):
    from vedette.errors import RequestError
    from vedette.server.ingest import body, otlp
    from vedette.server.query.logs.compiler import compile_query
    from vedette.server.scrape.cache import ScrapeCache
    from vedette.server.scrape.config import Job
    from vedette.server.wal.records import scan

LIMIT = 1 << 20


def _unpack(data: bytes) -> None:
    for encoding in ("gzip", "deflate", "zstd"):
        try:
            assert len(body.unpack(data, encoding, LIMIT)) <= LIMIT
        except RequestError:
            continue


def _json(data: bytes) -> None:
    for signal in (otlp.TRACES, otlp.LOGS, otlp.METRICS):
        try:
            otlp.from_json(signal, "acme", data)
        except RequestError:
            continue


def _protobuf(data: bytes) -> None:
    for signal in (otlp.TRACES, otlp.LOGS, otlp.METRICS):
        try:
            otlp.from_protobuf(signal, "acme", data)
        except RequestError:
            continue


def _log(data: bytes) -> None:
    found = scan(data)
    assert sum(len(record.payload) for record in found.records) <= len(data)


def _lucene(data: bytes) -> None:
    try:
        compile_query(data.decode(errors="replace"))
    except RequestError:
        return


CACHES = {openmetrics: ScrapeCache(Job("job", 15, 10), {"job": "job"}, "acme") for openmetrics in (False, True)}


def _exposition(data: bytes) -> None:
    for openmetrics, cache in CACHES.items():
        try:
            found = cache.take(data, 1_700_000_000_000, openmetrics=openmetrics)
        except RequestError:
            continue
        assert found.scraped <= data.count(b"\n") + 1


DECODERS = {
    "unpack": _unpack,
    "json": _json,
    "protobuf": _protobuf,
    "log": _log,
    "lucene": _lucene,
    "exposition": _exposition,
}

if __name__ == "__main__":
    name = sys.argv.pop(1)
    atheris.Setup(sys.argv, DECODERS[name])
    atheris.Fuzz()
