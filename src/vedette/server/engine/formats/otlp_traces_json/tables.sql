-- OTLP/JSON traces: one row is one export request, as ingest has written it anew. It goes the way of the Protobuf one.
CREATE TABLE vedette.in_otlp_traces_json
(
    tenant LowCardinality(String),
    received_unix_nano UInt64,
    payload String
)
ENGINE = Null;

CREATE MATERIALIZED VIEW vedette.in_otlp_traces_json_to_protobuf TO vedette.in_otlp_traces AS
WITH
    ${Renamed}
SELECT
    tenant,
    received_unix_nano,
    p.resourceSpans.schemaUrl AS `resource_spans.schema_url`,
    p.resourceSpans.resource.attributes AS `resource_spans.resource.attributes`,
    p.resourceSpans.resource.droppedAttributesCount AS `resource_spans.resource.dropped_attributes_count`,
    p.resourceSpans.scopeSpans.schemaUrl AS `resource_spans.scope_spans.schema_url`,
    p.resourceSpans.scopeSpans.scope.name AS `resource_spans.scope_spans.scope.name`,
    p.resourceSpans.scopeSpans.scope.version AS `resource_spans.scope_spans.scope.version`,
    p.resourceSpans.scopeSpans.scope.attributes AS `resource_spans.scope_spans.scope.attributes`,
    p.resourceSpans.scopeSpans.scope.droppedAttributesCount AS `resource_spans.scope_spans.scope.dropped_attributes_count`,
    unhex_all(p.resourceSpans.scopeSpans.spans.traceId) AS `resource_spans.scope_spans.spans.trace_id`,
    unhex_all(p.resourceSpans.scopeSpans.spans.spanId) AS `resource_spans.scope_spans.spans.span_id`,
    p.resourceSpans.scopeSpans.spans.traceState AS `resource_spans.scope_spans.spans.trace_state`,
    unhex_all(p.resourceSpans.scopeSpans.spans.parentSpanId) AS `resource_spans.scope_spans.spans.parent_span_id`,
    p.resourceSpans.scopeSpans.spans.name AS `resource_spans.scope_spans.spans.name`,
    p.resourceSpans.scopeSpans.spans.kind AS `resource_spans.scope_spans.spans.kind`,
    p.resourceSpans.scopeSpans.spans.startTimeUnixNano AS `resource_spans.scope_spans.spans.start_time_unix_nano`,
    p.resourceSpans.scopeSpans.spans.endTimeUnixNano AS `resource_spans.scope_spans.spans.end_time_unix_nano`,
    p.resourceSpans.scopeSpans.spans.attributes AS `resource_spans.scope_spans.spans.attributes`,
    p.resourceSpans.scopeSpans.spans.droppedAttributesCount AS `resource_spans.scope_spans.spans.dropped_attributes_count`,
    p.resourceSpans.scopeSpans.spans.events.timeUnixNano AS `resource_spans.scope_spans.spans.events.time_unix_nano`,
    p.resourceSpans.scopeSpans.spans.events.name AS `resource_spans.scope_spans.spans.events.name`,
    p.resourceSpans.scopeSpans.spans.events.attributes AS `resource_spans.scope_spans.spans.events.attributes`,
    p.resourceSpans.scopeSpans.spans.droppedEventsCount AS `resource_spans.scope_spans.spans.dropped_events_count`,
    arrayMap(a -> unhex_all(a), p.resourceSpans.scopeSpans.spans.links.traceId) AS `resource_spans.scope_spans.spans.links.trace_id`,
    arrayMap(a -> unhex_all(a), p.resourceSpans.scopeSpans.spans.links.spanId) AS `resource_spans.scope_spans.spans.links.span_id`,
    p.resourceSpans.scopeSpans.spans.links.traceState AS `resource_spans.scope_spans.spans.links.trace_state`,
    p.resourceSpans.scopeSpans.spans.links.attributes AS `resource_spans.scope_spans.spans.links.attributes`,
    p.resourceSpans.scopeSpans.spans.droppedLinksCount AS `resource_spans.scope_spans.spans.dropped_links_count`,
    p.resourceSpans.scopeSpans.spans.status.message AS `resource_spans.scope_spans.spans.status.message`,
    p.resourceSpans.scopeSpans.spans.status.code AS `resource_spans.scope_spans.spans.status.code`,
    p.resourceSpans.scopeSpans.spans.flags AS `resource_spans.scope_spans.spans.flags`
FROM
(
    WITH
        ${Renamed}
    SELECT
        tenant,
        received_unix_nano,
        JSONExtract(renamed(payload), $type$Tuple(resourceSpans Array(Tuple(
            resource ${ResourceJson},
            schemaUrl String,
            scopeSpans Array(Tuple(
                scope ${ScopeJson},
                schemaUrl String,
                spans Array(Tuple(
                    traceId String,
                    spanId String,
                    traceState String,
                    parentSpanId String,
                    name String,
                    kind Int32,
                    startTimeUnixNano UInt64,
                    endTimeUnixNano UInt64,
                    attributes ${KeyValues},
                    droppedAttributesCount UInt32,
                    events Array(Tuple(timeUnixNano UInt64, name String, attributes ${KeyValues})),
                    droppedEventsCount UInt32,
                    links Array(Tuple(traceId String, spanId String, traceState String, attributes ${KeyValues})),
                    droppedLinksCount UInt32,
                    status Tuple(message String, code Int32),
                    flags UInt32
                ))
            ))
        )))$type$) AS p
    FROM vedette.in_otlp_traces_json
);
