-- OTLP logs: one row is one export request. Columns are named for the fields of the message, as in otlp_traces.
CREATE TABLE vedette.${Table}
(
    tenant LowCardinality(String),
    received_unix_nano UInt64,
    `resource_logs.schema_url` Array(String),
    `resource_logs.resource.attributes` Array(${KeyValues}),
    `resource_logs.resource.dropped_attributes_count` Array(UInt32),
    `resource_logs.scope_logs.schema_url` Array(Array(String)),
    `resource_logs.scope_logs.scope.name` Array(Array(String)),
    `resource_logs.scope_logs.scope.version` Array(Array(String)),
    `resource_logs.scope_logs.scope.attributes` Array(Array(${KeyValues})),
    `resource_logs.scope_logs.scope.dropped_attributes_count` Array(Array(UInt32)),
    `resource_logs.scope_logs.log_records.time_unix_nano` Array(Array(Array(UInt64))),
    `resource_logs.scope_logs.log_records.observed_time_unix_nano` Array(Array(Array(UInt64))),
    `resource_logs.scope_logs.log_records.severity_number` Array(Array(Array(Int32))),
    `resource_logs.scope_logs.log_records.severity_text` Array(Array(Array(String))),
    `resource_logs.scope_logs.log_records.body` Array(Array(Array(${AnyValue}))),
    `resource_logs.scope_logs.log_records.attributes` Array(Array(Array(${KeyValues}))),
    `resource_logs.scope_logs.log_records.dropped_attributes_count` Array(Array(Array(UInt32))),
    `resource_logs.scope_logs.log_records.flags` Array(Array(Array(UInt32))),
    `resource_logs.scope_logs.log_records.trace_id` Array(Array(Array(String))),
    `resource_logs.scope_logs.log_records.span_id` Array(Array(Array(String))),
    `resource_logs.scope_logs.log_records.event_name` Array(Array(Array(String)))
)
ENGINE = Null;

CREATE MATERIALIZED VIEW vedette.${Table}_to_logs TO vedette.logs AS
WITH
    ${Json},
    ${Attributes},
    ${Scalars},
    ${PartitionDay},
    ${Severity},
    ${Body},
    `resource_logs.scope_logs.log_records.time_unix_nano` AS event_nano,
    `resource_logs.scope_logs.log_records.observed_time_unix_nano` AS observed_nano,
    `resource_logs.scope_logs.log_records.body` AS value
SELECT
    tenant,
    nanoseconds(multiIf(event_nano > 0, event_nano, observed_nano > 0, observed_nano, received)) AS time,
    toUnixTimestamp64Nano(nanoseconds(if(observed_nano > 0, observed_nano, received))) - toUnixTimestamp64Nano(time) AS observed_delay_ns,
    partition_day(time, nanoseconds(received)) AS day,
    fixed16(`resource_logs.scope_logs.log_records.trace_id`) AS trace_id,
    fixed8(`resource_logs.scope_logs.log_records.span_id`) AS span_id,
    `resource_logs.scope_logs.log_records.flags` AS flags,
    least(greatest(`resource_logs.scope_logs.log_records.severity_number`, 0), 255) AS severity_number,
    `resource_logs.scope_logs.log_records.severity_text` AS severity_text,
    severity_of(severity_number, `resource_logs.scope_logs.log_records.severity_text`) AS severity,
    service,
    `resource_logs.scope_logs.log_records.event_name` AS event_name,
    body_text(value) AS body,
    body_kind(value)::${BodyType} AS body_type,
    attribute_texts(`resource_logs.scope_logs.log_records.attributes`) AS attributes,
    attribute_kinds(`resource_logs.scope_logs.log_records.attributes`) AS attribute_types,
    resource,
    scope,
    `resource_logs.scope_logs.log_records.dropped_attributes_count` AS dropped_attributes
FROM
(
    WITH
        ${Json},
        ${Members},
        ${Scopes}
    SELECT
        * EXCEPT ('^resource_logs\\.scope_logs\\.(scope|schema_url)'),
        scope_json(`resource_logs.scope_logs.scope.name`, `resource_logs.scope_logs.scope.version`, members(`resource_logs.scope_logs.scope.attributes`), extras(`resource_logs.scope_logs.schema_url`, `resource_logs.scope_logs.scope.dropped_attributes_count`))::LowCardinality(String) AS scope
    FROM
    (
        WITH
            ${Json},
            ${Members},
            ${Scopes}
        SELECT
            * EXCEPT ('^(received_unix_nano|resource_logs\\.(resource\\..*|schema_url))$'),
            if(received_unix_nano = 0, toUnixTimestamp64Nano(now64(9))::UInt64, received_unix_nano) AS received,
            service_name(`resource_logs.resource.attributes`)::LowCardinality(String) AS service,
            resource_json(members(`resource_logs.resource.attributes`), extras(`resource_logs.schema_url`, `resource_logs.resource.dropped_attributes_count`))::LowCardinality(String) AS resource
        FROM vedette.${Table}
        ARRAY JOIN COLUMNS('^resource_logs')
    )
    ARRAY JOIN COLUMNS('^resource_logs')
)
ARRAY JOIN COLUMNS('^resource_logs');
