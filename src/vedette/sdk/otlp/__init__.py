"""OTLP requests as protobuf bytes, laid by hand: the messages of opentelemetry-proto 1.x without its runtime.

Field numbers are those of `opentelemetry/proto/{common,resource,trace,logs,metrics}/v1/*.proto`. What a program says
again and again (names, keys, short values) is kept as finished bytes.
"""
