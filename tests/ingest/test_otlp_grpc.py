import os

import grpc
import pytest
from google.rpc.error_details_pb2 import RetryInfo
from google.rpc.status_pb2 import Status
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor

EXPORT = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"


def test_the_official_sdk_sends_by_grpc(shared_platform):
    exporter = OTLPSpanExporter(
        endpoint=f"http://127.0.0.1:{shared_platform.otlp_grpc}", insecure=True, headers={"x-scope-orgid": "grpc-sdk"}
    )
    provider = TracerProvider(resource=Resource.create({"service.name": "official"}))
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    with provider.get_tracer("test").start_as_current_span("by grpc", attributes={"n": 3}):
        pass
    provider.shutdown()
    shared_platform.eventually(
        "SELECT service || ':' || attributes['n'] FROM spans WHERE name = 'by grpc'", "official:3", "grpc-sdk"
    )


@pytest.mark.parametrize("compression", [grpc.Compression.Gzip, grpc.Compression.Deflate])
def test_compressed_messages_are_taken(shared_platform, compression):
    with grpc.insecure_channel(f"127.0.0.1:{shared_platform.otlp_grpc}", compression=compression) as channel:
        assert channel.unary_unary(EXPORT)(b"") == b""


def test_garbage_is_an_invalid_argument(shared_platform):
    with (
        grpc.insecure_channel(f"127.0.0.1:{shared_platform.otlp_grpc}") as channel,
        pytest.raises(grpc.RpcError) as caught,
    ):
        channel.unary_unary(EXPORT)(b"\xff\xff")
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert "not a valid protobuf" in caught.value.details()


def test_a_message_over_the_bound_is_refused_for_good(shared_platform):
    with (
        grpc.insecure_channel(f"127.0.0.1:{shared_platform.otlp_grpc}") as channel,
        pytest.raises(grpc.RpcError) as caught,
    ):
        channel.unary_unary(EXPORT)(os.urandom(65 << 20))
    assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert "google.rpc.retryinfo-bin" not in dict(caught.value.trailing_metadata())


def test_a_bomb_is_refused(shared_platform):
    options = [("grpc.max_send_message_length", 1 << 30)]
    with (
        grpc.insecure_channel(
            f"127.0.0.1:{shared_platform.otlp_grpc}", options, compression=grpc.Compression.Gzip
        ) as channel,
        pytest.raises(grpc.RpcError) as caught,
    ):
        channel.unary_unary(EXPORT)(bytes(200 << 20))
    assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED


def test_an_unknown_key_is_unauthenticated(shared_platform):
    with (
        grpc.insecure_channel(f"127.0.0.1:{shared_platform.otlp_grpc}") as channel,
        pytest.raises(grpc.RpcError) as caught,
    ):
        channel.unary_unary(EXPORT)(b"", metadata=[("authorization", "Bearer vdt_nonsense")])
    assert caught.value.code() is grpc.StatusCode.UNAUTHENTICATED


def test_a_tenant_over_its_rate_is_told_when_to_come_back(make_platform):
    platform = make_platform("--tenant-max-bytes-per-second", "10")
    request = ExportTraceServiceRequest()
    request.resource_spans.add().scope_spans.add().spans.add(name="n" * 60)
    with grpc.insecure_channel(f"127.0.0.1:{platform.otlp_grpc}") as channel, pytest.raises(grpc.RpcError) as caught:
        for _ in range(3):
            channel.unary_unary(EXPORT)(request.SerializeToString())
    assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    trailers = dict(caught.value.trailing_metadata())
    assert RetryInfo.FromString(trailers["google.rpc.retryinfo-bin"]).retry_delay.seconds >= 1
    full = Status.FromString(trailers["grpc-status-details-bin"])
    assert full.code == grpc.StatusCode.RESOURCE_EXHAUSTED.value[0]
    assert full.details[0].type_url.endswith("google.rpc.RetryInfo")
