"""OTLP over gRPC: the three ``Export`` methods, over bytes that Python does not decode.

Specification: https://opentelemetry.io/docs/specs/otlp/#otlpgrpc.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING
from urllib.parse import unquote

from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.duration_pb2 import Duration
from google.rpc.error_details_pb2 import RetryInfo
from google.rpc.status_pb2 import Status

from vedette.errors import RequestError, StartError, TooManyRequests, Unavailable, UnsupportedMedia
from vedette.server.ingest.body import unpack
from vedette.server.ingest.grpc.calls import CallError, Code
from vedette.server.ingest.grpc.rules import Rules
from vedette.server.ingest.grpc.server import GrpcServer
from vedette.server.ingest.levels import LEVELS_HEADER, SERVICE_HEADER
from vedette.server.ingest.otlp import SIGNALS, Signal, from_protobuf, partial_success

if TYPE_CHECKING:
    from vedette.server.control.identity import Authenticator
    from vedette.server.control.log_levels import LevelTable
    from vedette.server.ingest.grpc.calls import Call
    from vedette.server.ingest.pipeline import Ingest
    from vedette.server.settings import Address

__all__ = ["start_otlp_grpc"]

_THREAD_BYTES = 256 << 10
_CODES = {
    400: Code.INVALID_ARGUMENT,
    401: Code.UNAUTHENTICATED,
    403: Code.PERMISSION_DENIED,
    413: Code.RESOURCE_EXHAUSTED,
    415: Code.UNIMPLEMENTED,
    429: Code.RESOURCE_EXHAUSTED,
    503: Code.UNAVAILABLE,
}


async def start_otlp_grpc(
    address: Address,
    ingest: Ingest,
    authenticator: Authenticator,
    levels: LevelTable,
    *,
    max_body_bytes: int,
    body_timeout_seconds: float,
) -> GrpcServer:
    """Listen and serve. Stop it with the server's own `stop(grace_seconds)`.

    Raises:
        StartError: The address cannot be bound.
    """
    methods = {
        f"/{signal.service}/Export": _Export(signal, ingest, authenticator, levels, max_body_bytes)
        for signal in SIGNALS.values()
    }
    rules = Rules(
        methods,
        max_message_bytes=max_body_bytes,
        patience_seconds=body_timeout_seconds,
        reserve=ingest.reserve,
        release=ingest.release,
    )
    server = GrpcServer(rules)
    try:
        await server.start(address)
    except OSError as error:
        raise StartError(
            f"Cannot listen on {address} for OTLP/gRPC: the port is in use or not ours. "
            "Stop what uses it, or choose another with --otlp-grpc."
        ) from error
    return server


class _Export:
    """The method ``Export`` of a signal."""

    def __init__(
        self, signal: Signal, ingest: Ingest, authenticator: Authenticator, levels: LevelTable, max_body_bytes: int
    ) -> None:
        self._signal = signal
        self._ingest = ingest
        self._authenticator = authenticator
        self._levels = levels
        self._max_body = max_body_bytes

    async def __call__(self, call: Call) -> bytes:
        """Answer one call."""
        ingest, signal = self._ingest, self._signal
        tenant = ""
        code = Code.INTERNAL
        reserved = 0
        try:
            metadata = call.head.metadata
            tenant = self._authenticator.identify_metadata(metadata, scope="ingest", client=call.client).tenant
            if call.fault is not None:
                raise call.fault
            message = call.message
            if call.is_packed:
                message = await self._unpacked(call)
                ingest.reserve(len(message))
                reserved = len(message)
            rejected = await ingest.submit_otlp(tenant, from_protobuf(signal, tenant, message, ingest.promoted))
            for name, value in metadata:
                if name == SERVICE_HEADER:
                    told = self._levels.of(tenant, unquote(value.decode("latin-1")))
                    call.trailers.append((LEVELS_HEADER, told.encode()))
            code = Code.OK
            return partial_success(rejected.rows, rejected.reason) if rejected.rows else b""
        except (RequestError, Unavailable) as error:
            ingest.note_refusal(tenant, signal.name, error, size=len(call.message))
            code = _CODES.get(error.status, Code.INVALID_ARGUMENT)
            raise CallError(code, str(error), _details(code, error)) from error
        finally:
            ingest.release(reserved)
            ingest.telemetry.requests_of(signal.name, "grpc", code.name).inc()

    async def _unpacked(self, call: Call) -> bytes:
        encoding = call.head.encoding
        if encoding == "identity":
            raise UnsupportedMedia("The message says that it is packed, and its header fields do not say how.")
        if len(call.message) < _THREAD_BYTES:
            return unpack(call.message, encoding, self._max_body)
        return await asyncio.to_thread(unpack, call.message, encoding, self._max_body)


def _details(code: Code, error: RequestError | Unavailable) -> tuple[tuple[str, bytes], ...]:
    """When to come back, in both places where clients look: the standard details, and the trailer of its own.

    Without them RESOURCE_EXHAUSTED means that a repeat is pointless, which is right for a body over the bound.
    """
    if not isinstance(error, TooManyRequests | Unavailable):
        return ()
    info = RetryInfo(retry_delay=Duration(seconds=error.retry_after_seconds))
    packed = AnyMessage()
    packed.Pack(info)
    full = Status(code=code, message=str(error), details=[packed])
    return (
        ("grpc-status-details-bin", full.SerializeToString()),
        ("google.rpc.retryinfo-bin", info.SerializeToString()),
    )
