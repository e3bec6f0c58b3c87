-- OTLP/JSON logs: one row is one export request, as ingest has written it anew. It goes the way of the Protobuf one.
CREATE TABLE vedette.in_otlp_logs_json
(
    tenant LowCardinality(String),
    received_unix_nano UInt64,
    payload String
)
ENGINE = Null;

CREATE MATERIALIZED VIEW vedette.in_otlp_logs_json_to_protobuf TO vedette.in_otlp_logs AS
WITH
    ${Renamed}
SELECT
    tenant,
    received_unix_nano,
    p.resourceLogs.schemaUrl AS `resource_logs.schema_url`,
    p.resourceLogs.resource.attributes AS `resource_logs.resource.attributes`,
    p.resourceLogs.resource.droppedAttributesCount AS `resource_logs.resource.dropped_attributes_count`,
    p.resourceLogs.scopeLogs.schemaUrl AS `resource_logs.scope_logs.schema_url`,
    p.resourceLogs.scopeLogs.scope.name AS `resource_logs.scope_logs.scope.name`,
    p.resourceLogs.scopeLogs.scope.version AS `resource_logs.scope_logs.scope.version`,
    p.resourceLogs.scopeLogs.scope.attributes AS `resource_logs.scope_logs.scope.attributes`,
    p.resourceLogs.scopeLogs.scope.droppedAttributesCount AS `resource_logs.scope_logs.scope.dropped_attributes_count`,
    p.resourceLogs.scopeLogs.logRecords.timeUnixNano AS `resource_logs.scope_logs.log_records.time_unix_nano`,
    p.resourceLogs.scopeLogs.logRecords.observedTimeUnixNano AS `resource_logs.scope_logs.log_records.observed_time_unix_nano`,
    p.resourceLogs.scopeLogs.logRecords.severityNumber AS `resource_logs.scope_logs.log_records.severity_number`,
    p.resourceLogs.scopeLogs.logRecords.severityText AS `resource_logs.scope_logs.log_records.severity_text`,
    p.resourceLogs.scopeLogs.logRecords.body AS `resource_logs.scope_logs.log_records.body`,
    p.resourceLogs.scopeLogs.logRecords.attributes AS `resource_logs.scope_logs.log_records.attributes`,
    p.resourceLogs.scopeLogs.logRecords.droppedAttributesCount AS `resource_logs.scope_logs.log_records.dropped_attributes_count`,
    p.resourceLogs.scopeLogs.logRecords.flags AS `resource_logs.scope_logs.log_records.flags`,
    unhex_all(p.resourceLogs.scopeLogs.logRecords.traceId) AS `resource_logs.scope_logs.log_records.trace_id`,
    unhex_all(p.resourceLogs.scopeLogs.logRecords.spanId) AS `resource_logs.scope_logs.log_records.span_id`,
    p.resourceLogs.scopeLogs.logRecords.eventName AS `resource_logs.scope_logs.log_records.event_name`
FROM
(
    WITH
        ${Renamed}
    SELECT
        tenant,
        received_unix_nano,
        JSONExtract(renamed(payload), $type$Tuple(resourceLogs Array(Tuple(
            resource ${ResourceJson},
            schemaUrl String,
            scopeLogs Array(Tuple(
                scope ${ScopeJson},
                schemaUrl String,
                logRecords Array(Tuple(
                    timeUnixNano UInt64,
                    observedTimeUnixNano UInt64,
                    severityNumber Int32,
                    severityText String,
                    body ${AnyValue},
                    attributes ${KeyValues},
                    droppedAttributesCount UInt32,
                    flags UInt32,
                    traceId String,
                    spanId String,
                    eventName String
                ))
            ))
        )))$type$) AS p
    FROM vedette.in_otlp_logs_json
);
