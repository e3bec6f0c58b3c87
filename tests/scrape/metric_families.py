"""io.prometheus.client's messages, as the protobuf runtime knows them: what official clients send; and remote write's."""

from __future__ import annotations

from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

_SCALARS = {"string": 9, "double": 1, "uint64": 4, "int64": 3, "int32": 5, "sint32": 17, "sint64": 18, "uint32": 13}
_MESSAGES = {
    "LabelPair": "1 name string, 2 value string",
    "Exemplar": "1 label *LabelPair, 2 value double, 3 timestamp Timestamp",
    "Timestamp": "1 seconds int64, 2 nanos int32",
    "Gauge": "1 value double",
    "Counter": "1 value double, 2 exemplar Exemplar",
    "Quantile": "1 quantile double, 2 value double",
    "Summary": "1 sample_count uint64, 2 sample_sum double, 3 quantile *Quantile",
    "Untyped": "1 value double",
    "BucketSpan": "1 offset sint32, 2 length uint32",
    "Bucket": "1 cumulative_count uint64, 2 upper_bound double, 3 exemplar Exemplar, 4 cumulative_count_float double",
    "Histogram": (
        "1 sample_count uint64, 2 sample_sum double, 3 bucket *Bucket, 4 sample_count_float double, 5 schema sint32, "
        "6 zero_threshold double, 7 zero_count uint64, 8 zero_count_float double, 9 negative_span *BucketSpan, "
        "10 negative_delta *sint64, 11 negative_count *double, 12 positive_span *BucketSpan, "
        "13 positive_delta *sint64, 14 positive_count *double, 16 exemplars *Exemplar"
    ),
    "Metric": (
        "1 label *LabelPair, 2 gauge Gauge, 3 counter Counter, 4 summary Summary, 5 untyped Untyped, "
        "6 timestamp_ms int64, 7 histogram Histogram"
    ),
    "MetricFamily": "1 name string, 2 help string, 3 type int32, 4 metric *Metric, 5 unit string",
}


_WRITTEN = {
    "Label": "1 name string, 2 value string",
    "Sample": "1 value double, 2 timestamp int64",
    "Exemplar": "1 labels *Label, 2 value double, 3 timestamp int64",
    "BucketSpan": "1 offset sint32, 2 length uint32",
    "Histogram": (
        "1 count_int uint64, 2 count_float double, 3 sum double, 4 schema sint32, 11 positive_spans *BucketSpan, "
        "12 positive_deltas *sint64, 13 positive_counts *double, 14 reset_hint int32, 15 timestamp int64, "
        "16 custom_values *double"
    ),
    "TimeSeries": "1 labels *Label, 2 samples *Sample, 3 exemplars *Exemplar, 4 histograms *Histogram",
    "WriteRequest": "1 timeseries *TimeSeries",
}


def _class(package: str, messages: dict[str, str], root: str) -> Any:
    file = descriptor_pb2.FileDescriptorProto(name=f"{package}.proto", package=package, syntax="proto3")
    for name, fields in messages.items():
        message = file.message_type.add(name=name)
        for text in fields.split(", "):
            number, field, kind = text.split()
            made = message.field.add(name=field, number=int(number), label=3 if kind[0] == "*" else 1)
            kind = kind.lstrip("*")
            made.type = _SCALARS.get(kind, 11)
            if kind not in _SCALARS:
                made.type_name = f".{package}.{kind}"
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{package}.{root}"))


MetricFamily = _class("families", _MESSAGES, "MetricFamily")
WriteRequest = _class("written", _WRITTEN, "WriteRequest")


def encoded(*families: Any) -> bytes:
    """The body of an exposition."""
    out = bytearray()
    for family in families:
        body = family.SerializeToString()
        size = len(body)
        while size > 127:
            out.append(size & 127 | 128)
            size >>= 7
        out.append(size)
        out += body
    return bytes(out)
