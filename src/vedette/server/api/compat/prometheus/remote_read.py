"""Prometheus' remote read: the samples of series, for another Prometheus that evaluates on them.

https://prometheus.io/docs/prometheus/latest/querying/remote_read_api/. A client that takes STREAMED_XOR_CHUNKS gets the
series one by one as chunks; others, and those who ask for native histograms, get SAMPLES, a message as a whole.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import cramjam
import numpy as np
from fastapi import APIRouter, Request, Response
from fastapi.responses import StreamingResponse

from vedette.errors import InvalidInput, QueryLimit, UnsupportedMedia
from vedette.server.api.compat.prometheus.answers import PrometheusRoute
from vedette.server.api.compat.prometheus.scraper import external_labels
from vedette.server.api.context import Caller, services_of
from vedette.server.ingest.remote_write import unpack_snappy
from vedette.server.protobuf import BYTES, VARINT, fields
from vedette.server.query.metrics import prompb, xor_chunks
from vedette.server.query.promql.labels import InvalidRegex, Matcher
from vedette.server.query.promql.source import SelectRequest

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    import numpy.typing as npt

    from vedette.server.query.promql.labels import Labels
    from vedette.server.query.promql.source import SelectedSeries

__all__ = ["router"]

router = APIRouter(prefix="/prometheus/api/v1", tags=["prometheus"], route_class=PrometheusRoute)

_MOST_SAMPLES: Final = 5_000_000
_MOST_QUERIES: Final = 1_000
_MOST_REQUEST_BYTES: Final = 1 << 20
_OPERATORS: Final = ("=", "!=", "=~", "!~")
_TYPE: Final = "application/x-protobuf"
_STREAM_TYPE: Final = "application/x-streamed-protobuf; proto=prometheus.ChunkedReadResponse"
_SAMPLES_TYPE, _CHUNKS_TYPE = 0, 1
_SAMPLE_BYTES: Final = 18
_TIME_BYTES: Final = 6
"""Milliseconds up to the year 2109 in seven bits each; shorter numbers are padded, which protobuf allows."""


@router.post("/read", summary="Samples of series, by remote read")
async def read(request: Request, caller: Caller) -> Response:
    """A snappy block with a `prometheus.ReadRequest`; the answer is one with a `prometheus.ReadResponse`.

    Series get the `external_labels` that they do not have, and a matcher that asks for one of these is met.
    """
    if request.headers.get("content-encoding", "snappy").strip().lower() != "snappy":
        raise UnsupportedMedia("Remote read is snappy: send Content-Encoding: snappy.")
    message = unpack_snappy(await request.body(), _MOST_REQUEST_BYTES)
    external = external_labels(request, caller.tenant)
    queries = _decoded(message, external)
    store = services_of(request).metrics.store
    try:
        answers = await store.select(caller.tenant, queries, max_samples=_MOST_SAMPLES)
    except QueryLimit as error:
        raise InvalidInput(f"exceeded sample limit ({_MOST_SAMPLES}): read less time, or fewer series") from error
    if _wants_chunks(message) and all(answer.histograms is None for answer in answers):
        # In a thread, a series at a time: what is written is not held in memory.
        return StreamingResponse(_frames(answers, external), media_type=_STREAM_TYPE)
    body = await asyncio.to_thread(_encoded, answers, external)
    return Response(body, media_type=_TYPE, headers={"Content-Encoding": "snappy"})


def _encoded(answers: Sequence[SelectedSeries], external: Mapping[str, str]) -> bytes:
    results = b"".join(prompb.field(1, b"".join(_series(answer, external))) for answer in answers)
    return bytes(cramjam.snappy.compress_raw(results))


def _frames(answers: Sequence[SelectedSeries], external: Mapping[str, str]) -> Iterator[bytes]:
    """Every series as a frame of its own."""
    for query, answer in enumerate(answers):
        for place, first, last in _ordered(answer):
            points = b"".join(xor_chunks.chunks(answer.times_ms[first:last], answer.values[first:last]))
            yield xor_chunks.frame(prompb.series(_labels(answer.labels[place], external), points), query)


def _series(answer: SelectedSeries, external: Mapping[str, str]) -> Iterator[bytes]:
    """The series of a result."""
    for place, first, last in _ordered(answer):
        yield prompb.series(_labels(answer.labels[place], external), _points(answer, first, last))


def _labels(own: Labels, external: Mapping[str, str]) -> bytes:
    return prompb.labels(sorted({**external, **dict(own)}.items()) if external else own)


def _ordered(answer: SelectedSeries) -> Iterator[tuple[int, int, int]]:
    """The places of series and of their samples, in the order of their labels; those without samples are left out."""
    for place in sorted(range(len(answer.labels)), key=answer.labels.__getitem__):
        first, last = int(answer.first[place]), int(answer.last[place])
        if first < last:
            yield place, first, last


def _points(answer: SelectedSeries, first: int, last: int) -> bytes:
    times, values = answer.times_ms[first:last], answer.values[first:last]
    if answer.histograms is None:
        return _samples(times, values)
    native = answer.histograms[first:last]
    floats = np.array([one is None for one in native], np.bool_)
    points = [prompb.histogram(one, int(at)) for one, at in zip(native, times, strict=True) if one is not None]
    return _samples(times[floats], values[floats]) + b"".join(points)


def _samples(times_ms: npt.NDArray[np.int64], values: npt.NDArray[np.float64]) -> bytes:
    """Float samples as fields 2 of a series, all of the same length, so that they are written at once."""
    out = np.empty((len(times_ms), _SAMPLE_BYTES), np.uint8)
    out[:, :3] = 0x12, _SAMPLE_BYTES - 2, 0x09
    out[:, 3:11] = np.ascontiguousarray(values).view(np.uint8).reshape(-1, 8)
    out[:, 11] = 0x10
    for place in range(_TIME_BYTES):
        more = 0x80 if place < _TIME_BYTES - 1 else 0
        out[:, 12 + place] = (times_ms >> (7 * place) & 0x7F) | more
    return out.tobytes()


@dataclass(slots=True)
class _Query:
    start_ms: int = 0
    end_ms: int = 0
    matchers: list[Matcher] = field(default_factory=list)


def _decoded(body: bytes, external: Mapping[str, str]) -> list[SelectRequest]:
    """The queries of a request. What they ask of external labels is what series do not have.

    Raises:
        InvalidInput: it is none, or asks for what nobody can match.
    """
    found = [_query(content) for number, content in _fields(body) if number == 1 and isinstance(content, bytes)]
    if len(found) > _MOST_QUERIES:
        raise InvalidInput(f"The request has {len(found)} queries; {_MOST_QUERIES} are taken.")
    for query in found:
        if all(matcher.matches("") for matcher in query.matchers):
            raise InvalidInput("A query must contain at least one matcher that does not match the empty text.")
    return [
        SelectRequest(tuple(_stored(matcher, external) for matcher in query.matchers), query.start_ms, query.end_ms)
        for query in found
    ]


def _stored(matcher: Matcher, external: Mapping[str, str]) -> Matcher:
    is_external = matcher.op == "=" and external.get(matcher.name) == matcher.value
    return Matcher(matcher.name, "=", "") if is_external else matcher


def _wants_chunks(body: bytes) -> bool:
    """Whether a request likes STREAMED_XOR_CHUNKS better than SAMPLES: types come in the order of preference."""
    liked: list[int] = []
    for number, content in _fields(body):
        if number == 2:  # noqa: PLR2004 - of the message
            liked += [content] if isinstance(content, int) else list(content)
    known = [kind for kind in liked if kind in {_SAMPLES_TYPE, _CHUNKS_TYPE}]
    return known[:1] == [_CHUNKS_TYPE]


def _query(body: bytes) -> _Query:
    query = _Query()
    for number, content in _fields(body):
        if number == 3 and isinstance(content, bytes):  # noqa: PLR2004 - of the message
            query.matchers.append(_matcher(content))
        elif number == 1 and isinstance(content, int):
            query.start_ms = _signed(content)
        elif number == 2 and isinstance(content, int):  # noqa: PLR2004
            query.end_ms = _signed(content)
    return query


def _matcher(body: bytes) -> Matcher:
    kind, texts = 0, {2: b"", 3: b""}
    for number, content in _fields(body):
        if number == 1 and isinstance(content, int):
            kind = content
        elif number in texts and isinstance(content, bytes):
            texts[number] = content
    if kind >= len(_OPERATORS):
        raise InvalidInput(f"A matcher has the type {kind}, which is none of EQ, NEQ, RE and NRE.")
    try:
        return Matcher(texts[2].decode(), _OPERATORS[kind], texts[3].decode())
    except UnicodeDecodeError as error:
        raise InvalidInput("A matcher is not valid UTF-8.") from error
    except InvalidRegex as error:
        raise InvalidInput(str(error)) from error


def _signed(value: int) -> int:
    return value - (1 << 64) if value >> 63 else value


def _fields(body: bytes) -> Iterator[tuple[int, int | bytes]]:
    """The fields of a message that are numbers or bytes."""
    try:
        for number, kind, value in fields(body):
            if kind in {VARINT, BYTES}:
                yield number, value
    except ValueError:
        raise InvalidInput(
            f"The body ({len(body)} bytes unpacked) is not a valid protobuf prometheus.ReadRequest."
        ) from None
