-- What people query by SQL: the stored tables under the same names, with ids in hexadecimal, enums as text, and rollups
-- finished. The tenant is not among the columns, as every reader sees one tenant only.
CREATE VIEW vedette_sql.spans AS
SELECT
    time,
    lower(hex(trace_id)) AS trace_id,
    lower(hex(span_id)) AS span_id,
    if(parent_span_id = toFixedString('', 8), '', lower(hex(parent_span_id))) AS parent_span_id,
    trace_state,
    flags,
    service,
    name,
    kind::String AS kind,
    duration_ns,
    duration_ns / 1e6 AS duration_ms,
    status::String AS status,
    status_message,
    attributes,
    attribute_types,
    resource,
    scope,
    `events.time`,
    `events.name`,
    `events.attributes`,
    arrayMap(id -> lower(hex(id)), `links.trace_id`) AS `links.trace_id`,
    arrayMap(id -> lower(hex(id)), `links.span_id`) AS `links.span_id`,
    `links.trace_state`,
    `links.attributes`,
    dropped_attributes,
    dropped_events,
    dropped_links
FROM vedette.spans;

CREATE VIEW vedette_sql.logs AS
SELECT
    time,
    observed_time,
    if(trace_id = toFixedString('', 16), '', lower(hex(trace_id))) AS trace_id,
    if(span_id = toFixedString('', 8), '', lower(hex(span_id))) AS span_id,
    flags,
    severity_number,
    severity::String AS severity,
    severity_text,
    service,
    event_name,
    body,
    body_type::String AS body_type,
    attributes,
    attribute_types,
    resource,
    scope,
    dropped_attributes
FROM vedette.logs;

CREATE VIEW vedette_sql.ledger AS
SELECT time, signal, reason, count, bytes, detail
FROM vedette.ledger;

CREATE VIEW vedette_sql.traces AS
SELECT
    lower(hex(trace_id)) AS trace_id,
    min(start) AS start,
    max(end) AS end,
    max(root_service) AS root_service,
    max(root_name) AS root_name,
    groupUniqArrayArray(services) AS services,
    sum(span_count) AS span_count,
    sum(error_count) AS error_count
FROM vedette.trace_index
GROUP BY trace_index.trace_id;

CREATE VIEW vedette_sql.red_minute AS
SELECT
    minute,
    service,
    name,
    kind::String AS kind,
    status::String AS status,
    sum(count) AS count,
    sum(duration_sum_ns) / 1e6 AS duration_sum_ms,
    arrayMap(q -> q / 1e6, quantilesDDMerge(0.01, 0.5, 0.95, 0.99)(durations)) AS p50_p95_p99_ms
FROM vedette.red_minute
GROUP BY minute, service, name, kind, status;

CREATE VIEW vedette_sql.operations AS
SELECT service, name, kind::String AS kind, max(last_seen) AS last_seen
FROM vedette.operations
GROUP BY service, name, kind;

CREATE VIEW vedette_sql.usage_hour AS
SELECT hour, signal, sum(rows) AS rows, sum(bytes) AS bytes
FROM vedette.usage_hour
GROUP BY hour, signal;

CREATE VIEW vedette_sql.series AS
SELECT id, any(name) AS name, any(labels) AS labels, min(day) AS first_day, max(day) AS last_day
FROM vedette.series
GROUP BY id;

CREATE VIEW vedette_sql.samples AS
SELECT series, at AS time, value, start_time
FROM vedette.samples FINAL;

CREATE VIEW vedette_sql.samples_5m AS
SELECT series, time, count, sum, min, max, first, last, reset_sum, resets, changes
FROM vedette.samples_5m FINAL;

CREATE VIEW vedette_sql.samples_1h AS
SELECT series, time, count, sum, min, max, first, last, reset_sum, resets, changes
FROM vedette.samples_1h FINAL;

CREATE VIEW vedette_sql.histograms AS
SELECT
    series, time, start_time, schema, zero_threshold, zero_count, count, sum, positive_indexes, positive_counts,
    negative_indexes, negative_counts, custom_bounds, counter_reset_hint::String AS counter_reset_hint
FROM vedette.histograms FINAL;

CREATE VIEW vedette_sql.histograms_5m AS
SELECT series, time, count, kept, sums
FROM vedette.histograms_5m FINAL;

CREATE VIEW vedette_sql.histograms_1h AS
SELECT series, time, count, kept, sums
FROM vedette.histograms_1h FINAL;

CREATE VIEW vedette_sql.exemplars AS
SELECT series, time, value, lower(hex(trace_id)) AS trace_id, lower(hex(span_id)) AS span_id, labels
FROM vedette.exemplars FINAL;

CREATE VIEW vedette_sql.metadata AS
SELECT name, type, unit, help
FROM vedette.metadata FINAL;

CREATE VIEW vedette_sql.attribute_keys AS
SELECT signal, place, key, sum(count) AS count, max(last_seen) AS last_seen
FROM vedette.attribute_keys
GROUP BY signal, place, key;

CREATE VIEW vedette_sql.attribute_values AS
SELECT signal, place, key, value, sum(count) AS count, max(last_seen) AS last_seen
FROM vedette.attribute_values
GROUP BY signal, place, key, value;

CREATE VIEW vedette_sql.service_edges AS
SELECT
    minute,
    client,
    server,
    connection_type::String AS connection_type,
    sum(count) AS count,
    sum(errors) AS errors,
    arrayMap(q -> q / 1e6, quantilesDDMerge(0.01, 0.5, 0.95, 0.99)(durations)) AS p50_p95_p99_ms
FROM vedette.service_edges
GROUP BY minute, client, server, connection_type;
