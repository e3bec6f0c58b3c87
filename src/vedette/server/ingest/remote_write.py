"""Prometheus' remote write 1.0 and 2.0: ``POST /prometheus/api/v1/write``, as a plain ASGI application.

Specifications: https://prometheus.io/docs/specs/prw/remote_write_spec/ and …/remote_write_spec_2_0/.
"""

from __future__ import annotations

import asyncio
import logging
import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import cramjam

from vedette.errors import InvalidInput, RequestError, TooLarge, TooManyRequests, Unavailable, UnsupportedMedia
from vedette.server.engine.formats import by_name
from vedette.server.ingest import remote_write_kernel as kernel
from vedette.server.ingest.body import Patience, read_body, too_large
from vedette.server.ingest.otlp import METRICS, Payload, stamped

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, MutableMapping

    from vedette.server.control.identity import Authenticator
    from vedette.server.ingest.pipeline import Ingest
    from vedette.server.ingest.series_limit import Admitted

    Scope = MutableMapping[str, Any]
    Receive = Callable[[], Awaitable[dict[str, Any]]]
    Send = Callable[[dict[str, Any]], Awaitable[None]]

__all__ = ["RemoteWrite", "unpack_snappy"]

log = logging.getLogger(__name__)

PATH = "/prometheus/api/v1/write"

_FORMAT = by_name("remote_write")
_SAMPLES = by_name("samples")
_TWO = "io.prometheus.write.v2.Request"
_ONE = "prometheus.WriteRequest"
_PROTO = re.compile(r"proto\s*=\s*\"?([\w.]+)")
_MOST_SNAPPY_RATIO = 64
"""Snappy makes at most 64 bytes of a copy of three; a body that declares more lies."""
_THREAD_BYTES = 64 << 10


@dataclass(frozen=True, slots=True)
class _Written:
    """What was kept of a request, and what was wrong with the rest."""

    samples: int = 0
    histograms: int = 0
    exemplars: int = 0
    dropped: int = 0
    reason: str = ""
    status: int = 204

    def headers(self) -> dict[bytes, bytes]:
        counts = {"samples": self.samples, "histograms": self.histograms, "exemplars": self.exemplars}
        return {b"x-prometheus-remote-write-%s-written" % k.encode(): b"%d" % v for k, v in counts.items()}


@dataclass(frozen=True, slots=True)
class _Checked:
    """The valid part of a request as a message of 1.0, its rows, and the unpacked size of the request."""

    message: bytes
    rows: int
    size: int
    written: _Written


class RemoteWrite:
    """The endpoint. `handles` tells which path is its own."""

    def __init__(
        self, ingest: Ingest, authenticator: Authenticator, *, max_body_bytes: int, body_timeout_seconds: float
    ) -> None:
        self._ingest = ingest
        self._authenticator = authenticator
        self._max_body = max_body_bytes
        self._patience = Patience(body_timeout_seconds)

    @staticmethod
    def handles(path: str) -> bool:
        """Whether a path belongs to remote write."""
        return path == PATH

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request: 204; 400 with the valid part kept; 429 with all but new series over the limit kept."""
        if scope["method"] != "POST":
            await _answer(send, 405, f"{PATH} takes POST.", {b"allow": b"POST"})
            return
        reserved = 0

        def reserve(size: int) -> None:
            nonlocal reserved
            self._ingest.reserve(size)
            reserved += size

        tenant = ""
        status, text, headers = 204, "", _Written().headers()
        try:
            client = scope.get("client")
            tenant = self._authenticator.identify_headers(
                scope["headers"], scope="ingest", client=client[0] if client else ""
            ).tenant
            written = await self._write(tenant, scope, receive, reserve)
            headers = written.headers()
            status, text = written.status, written.reason
        except (RequestError, Unavailable) as error:
            self._ingest.note_refusal(tenant, "metrics", error, size=reserved)
            status, text = error.status, str(error)
            if isinstance(error, TooManyRequests | Unavailable):
                headers[b"retry-after"] = str(error.retry_after_seconds).encode()
            if status == 401:  # noqa: PLR2004 - RFC 9110: a 401 names the scheme
                headers[b"www-authenticate"] = b"Bearer"
        except Exception:
            log.exception("A request to %s failed", PATH)
            status, text = 500, "Vedette failed to handle this request; its log says more."
        finally:
            self._ingest.release(reserved)
        self._ingest.telemetry.requests_of("metrics", "remote_write", str(status)).inc()
        await _answer(send, status, text, headers)

    async def _write(self, tenant: str, scope: Scope, receive: Receive, reserve: Callable[[int], None]) -> _Written:
        two = _is_two(scope["headers"])
        packed = await read_body(
            receive, encoding="", max_bytes=self._max_body, patience=self._patience, reserve=reserve
        )
        reserve(_declared(packed, self._max_body))
        if len(packed) < _THREAD_BYTES:
            checked = self._check(packed, two=two)
        else:
            checked = await asyncio.to_thread(self._check, packed, two=two)
        admitted = await self._ingest.series_limits.admit(tenant, checked.message)
        rows = checked.rows - admitted.rows
        if rows:
            await self._keep(tenant, admitted.message, rows, checked.size)
        return self._noted(tenant, checked.written, admitted)

    def _noted(self, tenant: str, written: _Written, refused: Admitted) -> _Written:
        """What is answered; what was refused has its lines in the ledger."""
        ledger = self._ingest.ledger
        if written.reason:
            written = replace(written, status=400)
            ledger.refused(tenant, "metrics", "invalid_sample", count=max(1, written.dropped), detail=written.reason)
        if not refused.series:
            return written
        reason = self._ingest.series_limits.reason(tenant, refused)
        ledger.refused(tenant, "metrics", "too_many_series", count=refused.rows, detail=reason)
        return replace(
            written,
            samples=written.samples - refused.samples,
            histograms=written.histograms - refused.histograms,
            exemplars=written.exemplars - refused.exemplars,
            reason=f"{written.reason} {reason}".strip(),
            status=written.status if written.reason else 429,
        )

    async def _keep(self, tenant: str, message: bytes, rows: int, size: int) -> None:
        """Write a checked message to the log: first what has labels, then what goes by the ids of series."""
        known = self._ingest.known_series
        if len(message) < _THREAD_BYTES and known.is_warm:
            split = known.split(tenant, message)
        else:
            split = await asyncio.to_thread(known.split, tenant, message)
        told = rows - split.sample_rows
        if told:
            await self._ingest.submit(
                tenant, Payload(METRICS, _FORMAT.code, told, stamped(tenant, split.message), size)
            )
            known.remember(split)
            size = 0  # a request is charged once
        if split.sample_rows:
            pieces = stamped(tenant, split.samples)
            await self._ingest.submit(tenant, Payload(METRICS, _SAMPLES.code, split.sample_rows, pieces, size))

    def _check(self, packed: bytes, *, two: bool) -> _Checked:
        body = unpack_snappy(packed, self._max_body)
        size, facts, out = kernel.convert_request(body, two=two, max_bytes=2 * self._max_body)
        if size == kernel.MALFORMED:
            name = _TWO if two else _ONE
            raise InvalidInput(f"The body ({len(body)} bytes unpacked) is not a valid protobuf {name}.")
        if size == kernel.NO_ROOM:
            raise TooLarge(too_large(2 * self._max_body))
        samples, histograms, exemplars = (int(facts[i]) for i in (kernel.SAMPLES, kernel.HISTOGRAMS, kernel.EXEMPLARS))
        dropped = int(facts[kernel.BAD_SAMPLES])
        reason = ""
        if facts[kernel.REASON]:
            place = f"the series at byte {int(facts[kernel.PLACE])} of the unpacked body"
            reason = (
                f"{int(facts[kernel.BAD_SERIES])} series and {dropped} samples in all were refused; the rest is kept. "
                f"The first fault is in {place}: {kernel.REASONS[int(facts[kernel.REASON])]}."
            )
        written = _Written(samples, histograms, exemplars, dropped, reason)
        rows = samples + histograms + exemplars + int(facts[kernel.METADATA])
        # Then nothing was left out or written shorter, and the tables read the request as it came.
        whole = not two and not reason and size - int(facts[kernel.WIDENED]) == len(body)
        return _Checked(body if whole else out[:size].tobytes(), rows, len(body), written)


def unpack_snappy(packed: bytes, max_bytes: int) -> bytes:
    """Decompress a snappy block.

    Raises:
        TooLarge: it says that it is more than `max_bytes`.
        InvalidInput: it is not a snappy block, or lies about its size.
    """
    size = _declared(packed, max_bytes)
    if not size:
        return b""
    try:
        return bytes(cramjam.snappy.decompress_raw(packed))
    except cramjam.DecompressionError as error:
        raise InvalidInput(f"The body is not a valid snappy block: {error}.") from error


def _declared(packed: bytes, max_bytes: int) -> int:
    """The unpacked size that a snappy block begins with, if it can be true."""
    size = shift = 0
    for byte in packed[:5]:
        size |= (byte & 0x7F) << shift
        if byte <= 0x7F:  # noqa: PLR2004 - seven bits a byte
            break
        shift += 7
    else:
        raise InvalidInput(f"The body ({len(packed)} bytes) is not a snappy block: it does not begin with a size.")
    if size > max_bytes:
        raise TooLarge(too_large(max_bytes))
    if size > _MOST_SNAPPY_RATIO * len(packed):
        raise InvalidInput(f"The body is not a valid snappy block: {len(packed)} bytes cannot unpack to {size}.")
    return size


def _is_two(headers: list[tuple[bytes, bytes]]) -> bool:
    """Which version a request speaks."""
    named = {name: value.decode("latin-1") for name, value in headers}
    encoding = named.get(b"content-encoding", "").strip().lower()
    if encoding != "snappy":
        raise UnsupportedMedia(f"Content-Encoding {encoding[:40]!r} is not taken here; remote write is snappy.")
    kind = named.get(b"content-type", "")
    media, _, parameters = kind.partition(";")
    proto = _PROTO.search(parameters)
    message = proto[1] if proto else _ONE
    if media.strip().lower() != "application/x-protobuf" or message not in {_ONE, _TWO}:
        raise UnsupportedMedia(
            f"Content-Type {kind[:80]!r} is not taken here. Send application/x-protobuf, with proto={_ONE} or {_TWO}."
        )
    return message == _TWO


async def _answer(send: Send, status: int, text: str, headers: dict[bytes, bytes]) -> None:
    body = text.encode()
    found = [(b"content-type", b"text/plain; charset=utf-8"), (b"content-length", b"%d" % len(body)), *headers.items()]
    await send({"type": "http.response.start", "status": status, "headers": found if body else found[1:]})
    await send({"type": "http.response.body", "body": body})
