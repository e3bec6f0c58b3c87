-- Which attributes resources have, of every resource and not of a sample: a search for a key that none has looks at the
-- attributes of spans alone, and can use their index.
CREATE TABLE vedette.resource_keys
(
    tenant LowCardinality(String) CODEC(ZSTD(1)),
    key    String CODEC(ZSTD(1))
)
ENGINE = ReplacingMergeTree
ORDER BY (tenant, key)
SETTINGS non_replicated_deduplication_window = 10000;

CREATE MATERIALIZED VIEW vedette.spans_to_resource_keys TO vedette.resource_keys AS
SELECT DISTINCT tenant, arrayJoin(JSONExtractKeys(resource::String)) AS key
FROM (SELECT tenant, resource FROM vedette.spans GROUP BY tenant, resource);

-- Those of the spans that are there already; once more does no harm.
INSERT INTO vedette.resource_keys
SELECT DISTINCT tenant, arrayJoin(JSONExtractKeys(resource::String)) AS key
FROM (SELECT tenant, resource FROM vedette.spans GROUP BY tenant, resource);

-- Halves of calls never arrive before the minute up to which calls have been counted, whatever the clock says: one that
-- is set back would hide all calls until it has caught up.
ALTER TABLE vedette.spans_to_edge_halves MODIFY QUERY
SELECT
    tenant,
    greatest(toStartOfMinute(now('UTC')), (SELECT max(closed) FROM vedette.service_edges_closed) + INTERVAL 1 MINUTE) AS arrived,
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
