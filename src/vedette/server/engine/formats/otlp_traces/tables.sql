-- OTLP traces: one row is one export request. Columns are named for the fields of the message, one each, as the
-- engine's query analysis takes time in proportion to the length of a type.
CREATE TABLE vedette.${Table}
(
    tenant LowCardinality(String),
    received_unix_nano UInt64,
    `resource_spans.schema_url` Array(String),
    `resource_spans.resource.attributes` Array(${KeyValues}),
    `resource_spans.resource.dropped_attributes_count` Array(UInt32),
    `resource_spans.scope_spans.schema_url` Array(Array(String)),
    `resource_spans.scope_spans.scope.name` Array(Array(String)),
    `resource_spans.scope_spans.scope.version` Array(Array(String)),
    `resource_spans.scope_spans.scope.attributes` Array(Array(${KeyValues})),
    `resource_spans.scope_spans.scope.dropped_attributes_count` Array(Array(UInt32)),
    `resource_spans.scope_spans.spans.trace_id` Array(Array(Array(String))),
    `resource_spans.scope_spans.spans.span_id` Array(Array(Array(String))),
    `resource_spans.scope_spans.spans.trace_state` Array(Array(Array(String))),
    `resource_spans.scope_spans.spans.parent_span_id` Array(Array(Array(String))),
    `resource_spans.scope_spans.spans.name` Array(Array(Array(String))),
    `resource_spans.scope_spans.spans.kind` Array(Array(Array(Int32))),
    `resource_spans.scope_spans.spans.start_time_unix_nano` Array(Array(Array(UInt64))),
    `resource_spans.scope_spans.spans.end_time_unix_nano` Array(Array(Array(UInt64))),
    `resource_spans.scope_spans.spans.attributes` Array(Array(Array(${KeyValues}))),
    `resource_spans.scope_spans.spans.dropped_attributes_count` Array(Array(Array(UInt32))),
    `resource_spans.scope_spans.spans.events.time_unix_nano` Array(Array(Array(Array(UInt64)))),
    `resource_spans.scope_spans.spans.events.name` Array(Array(Array(Array(String)))),
    `resource_spans.scope_spans.spans.events.attributes` Array(Array(Array(Array(${KeyValues})))),
    `resource_spans.scope_spans.spans.dropped_events_count` Array(Array(Array(UInt32))),
    `resource_spans.scope_spans.spans.links.trace_id` Array(Array(Array(Array(String)))),
    `resource_spans.scope_spans.spans.links.span_id` Array(Array(Array(Array(String)))),
    `resource_spans.scope_spans.spans.links.trace_state` Array(Array(Array(Array(String)))),
    `resource_spans.scope_spans.spans.links.attributes` Array(Array(Array(Array(${KeyValues})))),
    `resource_spans.scope_spans.spans.dropped_links_count` Array(Array(Array(UInt32))),
    `resource_spans.scope_spans.spans.status.message` Array(Array(Array(String))),
    `resource_spans.scope_spans.spans.status.code` Array(Array(Array(Int32))),
    `resource_spans.scope_spans.spans.flags` Array(Array(Array(UInt32)))
)
ENGINE = Null;

CREATE MATERIALIZED VIEW vedette.${Table}_to_spans TO vedette.spans AS
WITH
    ${Json},
    ${Members},
    ${Attributes},
    ${Scalars},
    ${PartitionDay}
SELECT
    tenant,
    nanoseconds(if(`resource_spans.scope_spans.spans.start_time_unix_nano` = 0, received, `resource_spans.scope_spans.spans.start_time_unix_nano`)) AS time,
    partition_day(time, nanoseconds(received)) AS day,
    fixed16(`resource_spans.scope_spans.spans.trace_id`) AS trace_id,
    concat(fixed8(`resource_spans.scope_spans.spans.span_id`), fixed8(`resource_spans.scope_spans.spans.parent_span_id`))::FixedString(16) AS ids,
    `resource_spans.scope_spans.spans.trace_state` AS trace_state,
    `resource_spans.scope_spans.spans.flags` AS flags,
    `resource_spans.scope_spans.spans.name` AS name,
    if(`resource_spans.scope_spans.spans.kind`::UInt32 < 6, `resource_spans.scope_spans.spans.kind`, 0)::${SpanKind} AS kind,
    service,
    multiIf(`resource_spans.scope_spans.spans.start_time_unix_nano` = 0, 0, `resource_spans.scope_spans.spans.end_time_unix_nano` > `resource_spans.scope_spans.spans.start_time_unix_nano`, `resource_spans.scope_spans.spans.end_time_unix_nano` - `resource_spans.scope_spans.spans.start_time_unix_nano`, 0) AS duration_ns,
    if(`resource_spans.scope_spans.spans.status.code`::UInt32 < 3, `resource_spans.scope_spans.spans.status.code`, 0)::${SpanStatus} AS status,
    `resource_spans.scope_spans.spans.status.message` AS status_message,
    attribute_texts(`resource_spans.scope_spans.spans.attributes`) AS attributes,
    attribute_kinds(`resource_spans.scope_spans.spans.attributes`) AS attribute_types,
    resource,
    scope,
    arrayMap(t -> nanoseconds(t), `resource_spans.scope_spans.spans.events.time_unix_nano`) AS `events.time`,
    `resource_spans.scope_spans.spans.events.name` AS `events.name`,
    arrayMap(a -> concat('{', members(a), '}'), `resource_spans.scope_spans.spans.events.attributes`) AS `events.attributes`,
    arrayMap(x -> fixed16(x), `resource_spans.scope_spans.spans.links.trace_id`) AS `links.trace_id`,
    arrayMap(x -> fixed8(x), `resource_spans.scope_spans.spans.links.span_id`) AS `links.span_id`,
    `resource_spans.scope_spans.spans.links.trace_state` AS `links.trace_state`,
    arrayMap(a -> concat('{', members(a), '}'), `resource_spans.scope_spans.spans.links.attributes`) AS `links.attributes`,
    `resource_spans.scope_spans.spans.dropped_attributes_count` AS dropped_attributes,
    `resource_spans.scope_spans.spans.dropped_events_count` AS dropped_events,
    `resource_spans.scope_spans.spans.dropped_links_count` AS dropped_links
FROM
(
    WITH
        ${Json},
        ${Members},
        ${Scopes}
    SELECT
        * EXCEPT ('^resource_spans\\.scope_spans\\.(scope|schema_url)'),
        scope_json(`resource_spans.scope_spans.scope.name`, `resource_spans.scope_spans.scope.version`, members(`resource_spans.scope_spans.scope.attributes`), extras(`resource_spans.scope_spans.schema_url`, `resource_spans.scope_spans.scope.dropped_attributes_count`))::LowCardinality(String) AS scope
    FROM
    (
        WITH
            ${Json},
            ${Members},
            ${Scopes}
        SELECT
            * EXCEPT ('^(received_unix_nano|resource_spans\\.(resource\\..*|schema_url))$'),
            if(received_unix_nano = 0, toUnixTimestamp64Nano(now64(9))::UInt64, received_unix_nano) AS received,
            service_name(`resource_spans.resource.attributes`)::LowCardinality(String) AS service,
            resource_json(members(`resource_spans.resource.attributes`), extras(`resource_spans.schema_url`, `resource_spans.resource.dropped_attributes_count`))::LowCardinality(String) AS resource
        FROM vedette.${Table}
        ARRAY JOIN COLUMNS('^resource_spans')
    )
    ARRAY JOIN COLUMNS('^resource_spans')
)
ARRAY JOIN COLUMNS('^resource_spans');
