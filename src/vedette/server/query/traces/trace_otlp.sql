-- One ResourceSpans of OTLP/JSON for each resource of the traces.
WITH
${ValueFunctions},
${OtlpFunctions},
    (resource -> arrayFilter(m -> m.1 NOT IN ('schema_url', 'dropped_attributes_count'), JSONExtractKeysAndValuesRaw(resource))) AS resource_members
SELECT concat(
    '{"resource":{"attributes":', key_values(resource_members(resource)),
    ',"droppedAttributesCount":', toString(JSONExtractUInt(resource, 'dropped_attributes_count')),
    '},"schemaUrl":', toJSONString(JSONExtractString(resource, 'schema_url')),
    ',"scopeSpans":[', arrayStringConcat(groupArray(scope_spans), ','), ']}')
FROM
(
    SELECT
        toString(resource) AS resource,
        concat(
            '{"scope":{"name":', toJSONString(JSONExtractString(scope, 'name')),
            ',"version":', toJSONString(JSONExtractString(scope, 'version')),
            ',"attributes":', key_values(JSONExtractKeysAndValuesRaw(scope, 'attributes')),
            ',"droppedAttributesCount":', toString(JSONExtractUInt(scope, 'dropped_attributes_count')),
            '},"schemaUrl":', toJSONString(JSONExtractString(scope, 'schema_url')),
            ',"spans":[', arrayStringConcat(arraySort(groupArray((time, span_id, span))).3, ','), ']}') AS scope_spans
    FROM
    (
        SELECT toString(scope) AS scope, resource, time, span_id,
${OtlpSpan} AS span
        FROM vedette.spans
        WHERE trace_id IN (SELECT toFixedString(unhex(arrayJoin({trace_ids:Array(String)})), 16))
          AND time BETWEEN fromUnixTimestamp64Nano({start_ns:Int64}, 'UTC') AND fromUnixTimestamp64Nano({end_ns:Int64}, 'UTC')
    )
    GROUP BY resource, scope
)
GROUP BY resource
ORDER BY resource
