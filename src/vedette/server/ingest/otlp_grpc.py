"""OTLP over gRPC: the three ``Export`` methods as generic handlers over bytes; gRPC frames, Python decodes nothing.

Specification: https://opentelemetry.io/docs/specs/otlp/#otlpgrpc.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

import grpc
import grpc.aio
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.duration_pb2 import Duration
from google.rpc.error_details_pb2 import RetryInfo
from google.rpc.status_pb2 import Status

from vedette.errors import RequestError, StartError, TooManyRequests, Unavailable
from vedette.server.ingest.levels import LEVELS_HEADER, SERVICE_HEADER
from vedette.server.ingest.otlp import SIGNALS, Signal, from_protobuf, partial_success

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from vedette.server.control.identity import Authenticator
    from vedette.server.control.log_levels import LevelTable
    from vedette.server.ingest.pipeline import Ingest
    from vedette.server.settings import Address

__all__ = ["start_otlp_grpc"]

log = logging.getLogger(__name__)

_CODES = {
    400: grpc.StatusCode.INVALID_ARGUMENT,
    401: grpc.StatusCode.UNAUTHENTICATED,
    403: grpc.StatusCode.PERMISSION_DENIED,
    413: grpc.StatusCode.RESOURCE_EXHAUSTED,
    429: grpc.StatusCode.RESOURCE_EXHAUSTED,
    503: grpc.StatusCode.UNAVAILABLE,
}


async def start_otlp_grpc(
    address: Address, ingest: Ingest, authenticator: Authenticator, levels: LevelTable, *, max_body_bytes: int
) -> grpc.aio.Server:
    """Listen and serve. Stop it with the server's own `stop(grace_seconds)`.

    Raises:
        StartError: The address cannot be bound.
    """
    server = grpc.aio.server(
        options=[
            ("grpc.max_receive_message_length", max_body_bytes),
            ("grpc.so_reuseport", 0),
            ("grpc.max_concurrent_streams", 1000),
            ("grpc.keepalive_permit_without_calls", 1),
            ("grpc.http2.min_ping_interval_without_data_ms", 10_000),
        ]
    )
    for signal in SIGNALS.values():
        method = grpc.unary_unary_rpc_method_handler(_handler(signal, ingest, authenticator, levels))
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(signal.service, {"Export": method}),))
    try:
        bound = server.add_insecure_port(str(address))
    except RuntimeError:
        bound = 0
    if not bound:
        raise StartError(
            f"Cannot listen on {address} for OTLP/gRPC: the port is in use or not ours. "
            "Stop what uses it, or choose another with --otlp-grpc."
        )
    await server.start()
    return server


def _handler(
    signal: Signal, ingest: Ingest, authenticator: Authenticator, levels: LevelTable
) -> Callable[[bytes, grpc.aio.ServicerContext[Any, Any]], Awaitable[bytes]]:
    async def export(request: bytes, context: grpc.aio.ServicerContext[Any, Any]) -> bytes:
        tenant = ""
        status = grpc.StatusCode.OK
        try:
            ingest.reserve(len(request))
            try:
                metadata = context.invocation_metadata() or ()
                tenant = authenticator.identify_metadata(metadata, scope="ingest", client=context.peer()).tenant
                rejected = await ingest.submit_otlp(tenant, from_protobuf(signal, tenant, request))
                for key, value in metadata:
                    if key == SERVICE_HEADER:
                        told = levels.of(tenant, unquote(str(value)))
                        context.set_trailing_metadata(((LEVELS_HEADER, told),))
                if rejected.rows:
                    return partial_success(rejected.rows, rejected.reason)
            finally:
                ingest.release(len(request))
        except (RequestError, Unavailable) as error:
            ingest.note_refusal(tenant, signal.name, error, size=len(request))
            status = _CODES.get(error.status, grpc.StatusCode.INVALID_ARGUMENT)
            await context.abort(status, str(error), _details(status, error))
        except Exception:
            log.exception("A gRPC export of %s failed", signal.name)
            status = grpc.StatusCode.INTERNAL
            await context.abort(status, "Vedette failed to handle this request; its log says more.")
        finally:
            ingest.telemetry.requests_of(signal.name, "grpc", status.name).inc()
        return b""

    return export


def _details(status: grpc.StatusCode, error: RequestError | Unavailable) -> tuple[tuple[str, bytes], ...]:
    """When to come back, in both places where clients look: the standard details, and the trailer of its own.

    Without them RESOURCE_EXHAUSTED means that a repeat is pointless, which is right for a body over the bound.
    """
    if not isinstance(error, TooManyRequests | Unavailable):
        return ()
    info = RetryInfo(retry_delay=Duration(seconds=error.retry_after_seconds))
    packed = AnyMessage()
    packed.Pack(info)
    full = Status(code=status.value[0], message=str(error), details=[packed])
    return (
        ("grpc-status-details-bin", full.SerializeToString()),
        ("google.rpc.retryinfo-bin", info.SerializeToString()),
    )
