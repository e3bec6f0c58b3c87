-- Prometheus' remote write: one row of in_remote_write is one request. Its series go through one Null table, with their
-- ids, into the tables. Ingest has checked that every series has a name, labels of unique names and valid UTF-8, and
-- histograms whose spans and buckets agree.
CREATE TABLE vedette.in_remote_write
(
    tenant LowCardinality(String),
    received_unix_nano UInt64,
    ts Array(Tuple(
        l ${RemoteLabels},
        s ${RemoteSamples},
        e ${RemoteExemplars},
        h ${RemoteHistograms},
        created Int64,
        type Int32,
        help String,
        unit String
    )),
    meta Array(Tuple(type Int32, name String, help String, unit String))
)
ENGINE = Null;

CREATE TABLE vedette.remote_write_series
(
    tenant LowCardinality(String),
    received DateTime64(3, 'UTC'),
    id UInt64,
    name String,
    labels ${RemoteLabels},
    samples ${RemoteSamples},
    exemplars ${RemoteExemplars},
    histograms ${RemoteHistograms},
    created Int64,
    kind Int32,
    help String,
    unit String
)
ENGINE = Null;

CREATE MATERIALIZED VIEW vedette.in_remote_write_to_metadata TO vedette.metadata AS
SELECT DISTINCT tenant, m.name AS name, ${MetricTypes}[m.type + 1] AS type, m.unit AS unit, m.help AS help
FROM vedette.in_remote_write
ARRAY JOIN meta AS m
WHERE (tenant, m.name, ${MetricTypes}[m.type + 1], m.unit, m.help) NOT IN (SELECT tenant, name, type, unit, help FROM vedette.metadata);

CREATE MATERIALIZED VIEW vedette.in_remote_write_to_remote_write_series TO vedette.remote_write_series AS
WITH
    ${LabelHash},
    arrayFilter(x -> x.v != '', t.l) AS kept
SELECT
    tenant,
    fromUnixTimestamp64Milli(intDiv(received_unix_nano, 1000000)::Int64, 'UTC') AS received,
    label_hash('__tenant__', tenant::String) + arraySum(x -> label_hash(x.n, x.v), kept) AS id,
    arrayFirst(x -> x.n = '__name__', kept).v AS name,
    arrayFilter(x -> x.n != '__name__', kept) AS labels,
    t.s AS samples,
    t.e AS exemplars,
    t.h AS histograms,
    t.created AS created,
    t.type AS kind,
    t.help AS help,
    t.unit AS unit
FROM vedette.in_remote_write
ARRAY JOIN ts AS t;

CREATE MATERIALIZED VIEW vedette.remote_write_series_to_samples TO vedette.samples AS
WITH ${PartitionDay}, s.value AS value, s.time AS at_ms
SELECT
    tenant,
    partition_day(time, received) AS day,
    ${SampleHour} AS hour,
    id AS series,
    ${SampleTime},
    ${SampleUnits},
    fromUnixTimestamp64Milli(if(s.start = 0, created, s.start), 'UTC') AS start_time
FROM (SELECT tenant, received, id, created, samples FROM vedette.remote_write_series WHERE notEmpty(samples))
ARRAY JOIN samples AS s;

-- Only series that the day does not have yet. Of days further back a series may get another row with every insert, which
-- merges remove: looking through all days would cost every insert more with each day.
CREATE MATERIALIZED VIEW vedette.remote_write_series_to_series TO vedette.series AS
SELECT
    tenant,
    day,
    id,
    name,
    CAST((labels.n, labels.v), 'Map(LowCardinality(String), String)') AS labels
FROM
(
    WITH ${PartitionDay}
    SELECT
        tenant,
        id,
        name,
        labels,
        arrayDistinct(arrayMap(
            t -> partition_day(fromUnixTimestamp64Milli(t, 'UTC'), received),
            arrayConcat(samples.time, histograms.time))) AS days
    FROM vedette.remote_write_series
)
ARRAY JOIN days AS day
WHERE (tenant, day, id) NOT IN (SELECT tenant, day, id FROM vedette.series WHERE day >= today() - 1)
LIMIT 1 BY tenant, day, id;

CREATE MATERIALIZED VIEW vedette.remote_write_series_to_histograms TO vedette.histograms AS
SELECT
    tenant,
    day,
    hour,
    series,
    time,
    start_time,
    schema,
    zero_threshold,
    zero_count,
    count,
    sum,
    arrayFilter((i, c) -> c != 0, positive_all, positive_values) AS positive_indexes,
    arrayFilter(c -> c != 0, positive_values) AS positive_counts,
    arrayFilter((i, c) -> c != 0, negative_all, negative_values) AS negative_indexes,
    arrayFilter(c -> c != 0, negative_values) AS negative_counts,
    custom_bounds,
    counter_reset_hint
FROM
(
    WITH
        ${PartitionDay},
        ${SpanIndexes}
    SELECT
        tenant,
        partition_day(time, received) AS day,
        ${SampleHour} AS hour,
        id AS series,
        fromUnixTimestamp64Milli(h.time, 'UTC') AS time,
        fromUnixTimestamp64Milli(if(h.start = 0, created, h.start), 'UTC') AS start_time,
        h.schema::Int8 AS schema,
        h.zero_threshold AS zero_threshold,
        h.zero_count_int::Float64 + h.zero_count_float AS zero_count,
        h.count_int::Float64 + h.count_float AS count,
        h.sum AS sum,
        span_indexes(h.positive_spans) AS positive_all,
        bucket_counts(h.positive_deltas, h.positive_counts) AS positive_values,
        span_indexes(h.negative_spans) AS negative_all,
        bucket_counts(h.negative_deltas, h.negative_counts) AS negative_values,
        h.custom_values AS custom_bounds,
        h.reset_hint::${CounterResetHint} AS counter_reset_hint
    FROM (SELECT tenant, received, id, created, histograms FROM vedette.remote_write_series WHERE notEmpty(histograms))
    ARRAY JOIN histograms AS h
);

-- Trace and span ids stand in labels by convention; they are taken out where they are ids.
CREATE MATERIALIZED VIEW vedette.remote_write_series_to_exemplars TO vedette.exemplars AS
WITH
    ${PartitionDay},
    arrayFirst(x -> x.n IN ('trace_id', 'traceID') AND match(x.v, '^[0-9a-fA-F]{32}$'), e.l).v AS trace,
    arrayFirst(x -> x.n IN ('span_id', 'spanID') AND match(x.v, '^[0-9a-fA-F]{16}$'), e.l).v AS span,
    arrayFilter(x -> NOT (x.n = 'trace_id' AND x.v = trace) AND NOT (x.n = 'span_id' AND x.v = span), e.l) AS rest
SELECT
    tenant,
    partition_day(time, received) AS day,
    ${SampleHour} AS hour,
    id AS series,
    fromUnixTimestamp64Milli(e.time, 'UTC') AS time,
    e.value AS value,
    toFixedString(unhex(trace), 16) AS trace_id,
    toFixedString(unhex(span), 8) AS span_id,
    CAST((rest.n, rest.v), 'Map(LowCardinality(String), String)') AS labels
FROM (SELECT tenant, received, id, exemplars FROM vedette.remote_write_series WHERE notEmpty(exemplars))
ARRAY JOIN exemplars AS e;

CREATE MATERIALIZED VIEW vedette.remote_write_series_to_metadata TO vedette.metadata AS
SELECT DISTINCT tenant, family AS name, kind_name AS type, unit, help
FROM
(
    SELECT
        tenant,
        multiIf(
            kind IN (4, 5), replaceRegexpOne(name, '_(bucket|sum|count)$', ''),
            kind = 6, replaceRegexpOne(name, '_(sum|count)$', ''),
            name) AS family,
        ${MetricTypes}[kind] AS kind_name,
        unit,
        help
    FROM vedette.remote_write_series
    WHERE kind > 0
)
WHERE (tenant, family, kind_name, unit, help) NOT IN (SELECT tenant, name, type, unit, help FROM vedette.metadata);
