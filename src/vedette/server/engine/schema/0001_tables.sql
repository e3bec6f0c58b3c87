-- Spans and log records. `day` is the partition that a row belongs to (partition_day in formats/common.sql): its day, or
-- coarser for what is old. Order and codecs: docs/adr/0002-storage.md; attributes: docs/adr/0001-attributes.md.
--
-- Every table drops an insert that it has seen: non_replicated_deduplication_window counts the inserts that are
-- remembered per table, far more than the write-ahead log can hold segments.

CREATE TABLE vedette.spans
(
    tenant             LowCardinality(String) CODEC(ZSTD(1)),
    time               DateTime64(9, 'UTC') CODEC(Delta, ZSTD(1)),
    day                Date CODEC(ZSTD(1)),
    trace_id           FixedString(16) CODEC(ZSTD(1)),
    -- A span's id and its parent's side by side: most parents are a few rows away, and so compress to a reference.
    ids                FixedString(16) CODEC(ZSTD(1)),
    span_id            FixedString(8) ALIAS toFixedString(substring(ids, 1, 8), 8),
    parent_span_id     FixedString(8) ALIAS toFixedString(substring(ids, 9, 8), 8),
    trace_state        String CODEC(ZSTD(1)),
    flags              UInt32 CODEC(ZSTD(1)),
    name               LowCardinality(String) CODEC(ZSTD(1)),
    kind               ${SpanKind} CODEC(ZSTD(1)),
    service            LowCardinality(String) CODEC(ZSTD(1)),
    duration_ns        UInt64 CODEC(T64, ZSTD(1)),
    status             ${SpanStatus} CODEC(ZSTD(1)),
    status_message     String CODEC(ZSTD(1)),
    attributes         Map(LowCardinality(String), LowCardinality(String)) CODEC(ZSTD(3)),
    attribute_types    Map(LowCardinality(String), ${AttributeType}) CODEC(ZSTD(1)),
    resource           LowCardinality(String) CODEC(ZSTD(1)),
    scope              LowCardinality(String) CODEC(ZSTD(1)),
    events             Nested(time DateTime64(9, 'UTC'), name LowCardinality(String), attributes String) CODEC(ZSTD(1)),
    links              Nested(trace_id FixedString(16), span_id FixedString(8), trace_state String, attributes String) CODEC(ZSTD(1)),
    dropped_attributes UInt32 CODEC(ZSTD(1)),
    dropped_events     UInt32 CODEC(ZSTD(1)),
    dropped_links      UInt32 CODEC(ZSTD(1)),
    -- What a search for `key = value` reads; without it every map of the range is read.
    INDEX attribute_pairs arrayMap((k, v) -> concat(k, '=', v), mapKeys(attributes), mapValues(attributes)) TYPE bloom_filter(0.01) GRANULARITY 1
)
ENGINE = MergeTree
PARTITION BY day
ORDER BY (tenant, time)
SETTINGS non_replicated_deduplication_window = 10000;

CREATE TABLE vedette.logs
(
    tenant             LowCardinality(String) CODEC(ZSTD(1)),
    time               DateTime64(9, 'UTC') CODEC(Delta, ZSTD(1)),
    -- Mostly a constant after `time`, and so kept as the difference.
    observed_delay_ns  Int64 CODEC(ZSTD(1)),
    observed_time      DateTime64(9, 'UTC') ALIAS fromUnixTimestamp64Nano(toUnixTimestamp64Nano(time) + observed_delay_ns, 'UTC'),
    day                Date CODEC(ZSTD(1)),
    trace_id           FixedString(16) CODEC(ZSTD(1)),
    span_id            FixedString(8) CODEC(ZSTD(1)),
    flags              UInt32 CODEC(ZSTD(1)),
    severity_number    UInt8 CODEC(ZSTD(1)),
    severity           ${SeverityName} CODEC(ZSTD(1)),
    severity_text      LowCardinality(String) CODEC(ZSTD(1)),
    service            LowCardinality(String) CODEC(ZSTD(1)),
    event_name         LowCardinality(String) CODEC(ZSTD(1)),
    body               String CODEC(ZSTD(1)),
    body_type          ${BodyType} CODEC(ZSTD(1)),
    attributes         Map(LowCardinality(String), LowCardinality(String)) CODEC(ZSTD(3)),
    attribute_types    Map(LowCardinality(String), ${AttributeType}) CODEC(ZSTD(1)),
    resource           LowCardinality(String) CODEC(ZSTD(1)),
    scope              LowCardinality(String) CODEC(ZSTD(1)),
    dropped_attributes UInt32 CODEC(ZSTD(1)),
    INDEX body_tokens  lower(body) TYPE text(tokenizer = 'splitByNonAlpha', dictionary_block_size = 4096, posting_list_codec = 'bitpacking')
)
ENGINE = MergeTree
PARTITION BY day
ORDER BY (tenant, time)
-- The live tail goes by the numbers of blocks, which rows keep through merges.
SETTINGS enable_block_number_column = 1, non_replicated_deduplication_window = 10000;

CREATE TABLE vedette.ledger
(
    tenant LowCardinality(String) CODEC(ZSTD(1)),
    time   DateTime64(9, 'UTC') CODEC(ZSTD(1)),
    year   UInt16 CODEC(ZSTD(1)),
    signal LowCardinality(String) CODEC(ZSTD(1)),
    reason LowCardinality(String) CODEC(ZSTD(1)),
    count  UInt64 CODEC(ZSTD(1)),
    bytes  UInt64 CODEC(ZSTD(1)),
    detail String CODEC(ZSTD(1))
)
ENGINE = MergeTree
PARTITION BY year
ORDER BY (tenant, time)
SETTINGS non_replicated_deduplication_window = 10000;
