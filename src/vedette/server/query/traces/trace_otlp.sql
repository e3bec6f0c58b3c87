-- One ResourceSpans of OTLP/JSON for each resource and scope of the traces.
WITH
${ValueFunctions},
${OtlpFunctions},
    (object -> arrayFilter(m -> m.1 NOT IN ('schema_url', 'dropped_attributes_count'), object_members(object))) AS resource_members
SELECT concat(
    '{"resource":{"attributes":', lists[1],
    ',"droppedAttributesCount":', toString(JSONExtractUInt(resource, 'dropped_attributes_count')),
    '},"schemaUrl":', toJSONString(JSONExtractString(resource, 'schema_url')),
    ',"scopeSpans":[{"scope":{"name":', toJSONString(JSONExtractString(scope, 'name')),
    ',"version":', toJSONString(JSONExtractString(scope, 'version')),
    ',"attributes":', lists[2],
    ',"droppedAttributesCount":', toString(JSONExtractUInt(scope, 'dropped_attributes_count')),
    '},"schemaUrl":', toJSONString(JSONExtractString(scope, 'schema_url')),
    ',"spans":[', spans, ']}]}')
FROM
(
    SELECT
        resource,
        scope,
        arrayMap(ms -> key_values(ms), [resource_members(resource), object_members(JSONExtractRaw(scope, 'attributes'))]) AS lists,
        spans
    FROM
    (
        SELECT
            toString(resource) AS resource,
            toString(scope) AS scope,
            arrayStringConcat(arraySort(groupArray((time, span_id, span))).3, ',') AS spans
        FROM
        (
            SELECT scope, resource, time, span_id,
${OtlpSpan} AS span
            FROM
            (
                SELECT *, span_id, parent_span_id, arrayMap(ms -> key_values(ms), ${OtlpMembers}) AS lists
                FROM vedette.spans
                WHERE trace_id IN (SELECT toFixedString(unhex(arrayJoin({trace_ids:Array(String)})), 16))
                  AND time BETWEEN fromUnixTimestamp64Nano({start_ns:Int64}, 'UTC') AND fromUnixTimestamp64Nano({end_ns:Int64}, 'UTC')
            )
        )
        GROUP BY resource, scope
    )
)
ORDER BY resource, scope
