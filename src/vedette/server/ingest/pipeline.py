"""What all protocols share behind their decoding: quotas, the log, the figures, and the ledger of refusals."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from vedette.errors import RequestError, TooManyRequests, Unauthenticated, Unavailable, VedetteError
from vedette.server.engine.formats import by_name
from vedette.server.ingest.known_points import KnownPoints
from vedette.server.ingest.known_series import KnownSeries
from vedette.server.ingest.otlp import METRICS, SIGNALS, Payload, from_json, metrics_message, stamped
from vedette.server.ingest.point_faults import faults_of, sentence

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from vedette.server.control.identity import Identity
    from vedette.server.ingest.deltas import DeltaStreams
    from vedette.server.ingest.ledger import Ledger
    from vedette.server.ingest.series_limit import SeriesLimits
    from vedette.server.telemetry import Telemetry
    from vedette.server.wal.writer import WalWriter

__all__ = ["Ingest", "Rejected"]

_SAMPLES = by_name("samples")
_BURST_SECONDS = 10.0
_MAX_TENANTS = 100_000


@dataclass(frozen=True, slots=True)
class Rejected:
    """What was left out of a request whose rest was kept: OTLP's partial success."""

    rows: int = 0
    reason: str = ""


class Ingest:
    """Keeps checked payloads. `submit` returns once the payload is durable; whatever it raises, nothing was kept."""

    def __init__(
        self,
        wal: WalWriter,
        ledger: Ledger,
        telemetry: Telemetry,
        series_limits: SeriesLimits,
        deltas: DeltaStreams,
        *,
        max_inflight_bytes: int,
        tenant_rate: int,
        promoted: Sequence[str] = (),
    ) -> None:
        self.series_limits = series_limits
        self.ledger = ledger
        self.telemetry = telemetry
        self.promoted = promoted
        """The resource attributes that become labels of every series of OTLP's metrics."""
        self._wal = wal
        self._deltas = deltas
        self._known_points = KnownPoints(promoted)
        self.known_series = KnownSeries()
        """The series of remote write whose samples go by id."""
        self._max_inflight = max_inflight_bytes
        self._inflight = 0
        self._rate = tenant_rate
        self._buckets: dict[str, tuple[float, float]] = {}

    async def forget_series(self) -> None:
        """Tell and count every series anew: the tables were replaced by those of a backup, which may not have it."""
        self.known_series.forget()
        self.series_limits.forget()
        await self._known_points.forget()

    async def submit(self, tenant: str, payload: Payload) -> None:
        """Keep one request's payload.

        Raises:
            TooManyRequests: The tenant is over its rate.
            Unavailable: The log is full or the disk refuses.
        """
        if not payload.rows:
            return
        self._charge(tenant, payload.size)
        started = time.perf_counter()
        await self._wal.append(payload.format_code, tenant, payload.rows, payload.pieces)
        telemetry, signal = self.telemetry, payload.signal.name
        telemetry.commit_seconds.observe(time.perf_counter() - started)
        telemetry.rows_of(signal).inc(payload.rows)
        telemetry.bytes_of(signal).inc(payload.size)

    async def submit_otlp(self, tenant: str, payload: Payload) -> Rejected:
        """Keep an OTLP request: delta metrics as cumulative ones. Returns what could not be kept of it.

        Raises:
            TooManyRequests: The tenant is over its rate.
            Unavailable: The log is full or the disk refuses. Sent again, deltas are not counted twice.
        """
        left_out: list[tuple[str, int, str]] = []
        if payload.has_deltas:
            found = await self._deltas.cumulative(tenant, metrics_message(payload))
            payload = self._rewritten(payload, tenant, found.message, found.rows)
            left_out += [("late_delta", found.late, found.reason()), ("too_many_deltas", found.refused, found.reason())]
        if payload.signal is METRICS and payload.rows and self.series_limits.limit:
            admitted = await self.series_limits.admit_points(tenant, metrics_message(payload), payload.rows)
            if admitted.rows:
                payload = self._rewritten(payload, tenant, admitted.message, admitted.rows)
                left_out.append(("too_many_series", admitted.rows, self.series_limits.reason(tenant, admitted)))
        faults = await self._submit_points(tenant, payload)
        left_out = [one for one in left_out if one[1]]
        for reason, count, detail in left_out:
            self.ledger.refused(tenant, "metrics", reason, count=count, detail=detail)
        # The tables write what they refuse into the ledger themselves.
        sentences = dict.fromkeys([*(detail for _, _, detail in left_out), sentence(faults)])
        return Rejected(
            sum(count for _, count, _ in left_out) + sum(faults.values()), " ".join(filter(None, sentences))
        )

    async def _submit_points(self, tenant: str, payload: Payload) -> Mapping[str, int]:
        """Write points whose series the tables know as samples, and what is left of the request whole.

        Returns how many points the tables will refuse for each reason.
        """
        taken, faults = None, payload.faults
        if payload.message is not None and payload.rows:
            taken = await self._known_points.take(tenant, payload.message, payload.rows)
            faults = taken.faults if taken else await asyncio.to_thread(_faults, payload.message)
        if taken is None or not taken.points:
            await self.submit(tenant, payload)
        else:
            size = payload.size
            if taken.rest:
                await self.submit(tenant, self._rewritten(payload, tenant, taken.rest, taken.points))
                size = 0  # a request is charged once
            await self.submit(
                tenant, Payload(METRICS, _SAMPLES.code, taken.points, stamped(tenant, taken.samples), size)
            )
            self.telemetry.points_by_id.inc(taken.points)
        if taken is not None:
            await self._known_points.told(tenant, taken)
        return faults

    async def submit_otlp_json(self, identity: Identity, signal: str, payload: bytes) -> Rejected:
        """Keep an OTLP/JSON document that a route of ours made. Returns what could not be kept of it."""
        try:
            return await self.submit_otlp(
                identity.tenant, from_json(SIGNALS[signal], identity.tenant, payload, self.promoted)
            )
        except VedetteError as error:
            self.note_refusal(identity.tenant, signal, error, size=len(payload))
            raise

    def reserve(self, size: int) -> None:
        """Take room for bytes of a body that is being read; `release` gives it back.

        Raises:
            Unavailable: Too many bodies are being read at once.
        """
        if self._inflight + size > self._max_inflight:
            raise Unavailable(
                f"Bodies of {self._inflight} bytes are being read and the bound is {self._max_inflight} "
                "(max_inflight_bytes). Send again in a moment."
            )
        self._inflight += size

    def release(self, size: int) -> None:
        """Give back what `reserve` took."""
        self._inflight -= size

    def note_refusal(self, tenant: str, signal: str, error: VedetteError, *, size: int) -> None:
        """Write a refusal into the ledger under its reason."""
        if isinstance(error, RequestError | Unavailable):
            # Strangers are counted without their tenant: they have not shown that it is theirs.
            name = "" if isinstance(error, Unauthenticated) else tenant
            self.ledger.refused(name, signal, _reason(error), size=size, detail=str(error))

    def _rewritten(self, payload: Payload, tenant: str, message: bytes, left_out: int) -> Payload:
        pieces, rows = stamped(tenant, message, self.promoted), payload.rows - left_out
        return Payload(METRICS, METRICS.protobuf_code, rows, pieces, payload.size, message)

    def _charge(self, tenant: str, size: int) -> None:
        """A token bucket a tenant: the rate, and ten seconds of it as burst."""
        if not self._rate:
            return
        now = time.monotonic()
        allowance, since = self._buckets.get(tenant, (self._rate * _BURST_SECONDS, now))
        allowance = min(self._rate * _BURST_SECONDS, allowance + (now - since) * self._rate)
        if allowance < size:
            raise TooManyRequests(
                f"Tenant {tenant!r} sends more than {self._rate} bytes a second (tenant_max_bytes_per_second). "
                "Send again later.",
                retry_after_seconds=max(1, min(60, round((size - allowance) / self._rate))),
            )
        if len(self._buckets) > _MAX_TENANTS:
            self._buckets.clear()
        self._buckets[tenant] = (allowance - size, now)


def _faults(message: bytes) -> Mapping[str, int]:
    return faults_of(METRICS.message.FromString(message))


def _reason(error: VedetteError) -> str:
    """``TooLarge`` → ``too_large``: the names that the ledger, the metrics and the documentation use."""
    name = type(error).__name__
    return "".join("_" + c.lower() if c.isupper() else c for c in name).lstrip("_")
