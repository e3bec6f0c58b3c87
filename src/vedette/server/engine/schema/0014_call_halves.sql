-- The service graph keeps halves of calls by a clock of its own, which the worker sets on by a minute at each count and
-- which stands while the platform does. So nothing grows old that has not been counted, however long a stop is and
-- whatever the machine's clock does. `opened` is the minute in which halves arrive, `closed` the one up to which calls
-- have been counted.
CREATE TABLE vedette.edge_clock
(
    opened SimpleAggregateFunction(max, DateTime('UTC')) CODEC(ZSTD(1)),
    closed SimpleAggregateFunction(max, DateTime('UTC')) CODEC(ZSTD(1))
)
ENGINE = AggregatingMergeTree
ORDER BY tuple();

INSERT INTO vedette.edge_clock
SELECT
    greatest(
        toStartOfMinute(now('UTC')),
        toDateTime(86400, 'UTC'),  -- a clock that was never set; the first minutes look back
        (SELECT max(arrived) FROM vedette.edge_halves),
        (SELECT max(closed) FROM vedette.service_edges_closed) + INTERVAL 1 MINUTE) AS opened,
    (SELECT max(closed) FROM vedette.service_edges_closed) AS closed;

-- In place of edge_halves, whose rows left by the machine's clock. Partitions go once they have been counted, and for the
-- byte budget of traces (upkeep/budgets.py).
CREATE TABLE vedette.call_halves
(
    tenant     LowCardinality(String) CODEC(ZSTD(1)),
    arrived    DateTime('UTC') CODEC(Delta, ZSTD(1)),
    day        Date CODEC(ZSTD(1)),
    trace_id   FixedString(16) CODEC(ZSTD(1)),
    span_id    FixedString(8) CODEC(ZSTD(1)),
    called     Bool CODEC(ZSTD(1)),
    messaging  Bool CODEC(ZSTD(1)),
    failed     Bool CODEC(ZSTD(1)),
    service    LowCardinality(String) CODEC(ZSTD(1)),
    time       DateTime64(9, 'UTC') CODEC(Delta, ZSTD(1)),
    duration_ns UInt64 CODEC(ZSTD(1))
)
ENGINE = MergeTree
PARTITION BY toStartOfTenMinutes(arrived)
ORDER BY (arrived, tenant, trace_id)
SETTINGS non_replicated_deduplication_window = 10000;

DROP TABLE IF EXISTS vedette.spans_to_edge_halves;

CREATE MATERIALIZED VIEW vedette.spans_to_call_halves TO vedette.call_halves AS
SELECT
    tenant,
    (SELECT max(opened) FROM vedette.edge_clock) AS arrived,
    day,
    trace_id,
    if(kind IN ('server', 'consumer'), parent_span_id, span_id) AS span_id,
    kind IN ('server', 'consumer') AS called,
    kind IN ('producer', 'consumer') AS messaging,
    status = 'error' AS failed,
    service,
    time,
    duration_ns
FROM vedette.spans
WHERE multiIf(
    kind = 'producer', true,
    kind = 'client', NOT mapContains(attributes, 'db.system.name') AND NOT mapContains(attributes, 'db.system'),
    kind IN ('server', 'consumer'), parent_span_id != toFixedString('', 8),
    false);

-- Once more does no harm: a half that comes twice counts once.
INSERT INTO vedette.call_halves
SELECT tenant, arrived, day, trace_id, span_id, called, messaging, failed, service, time, duration_ns
FROM vedette.edge_halves
WHERE arrived + INTERVAL 10 MINUTE > (SELECT max(closed) FROM vedette.service_edges_closed)
SETTINGS max_partitions_per_insert_block = 0;
