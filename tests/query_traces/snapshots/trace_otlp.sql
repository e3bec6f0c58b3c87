-- One ResourceSpans of OTLP/JSON for each resource and scope of the traces.
WITH
    -- JSON has no NaN or infinity; a double without a fraction keeps a mark that it is one.
    (v ->     transform(replaceRegexpOne(v, '^-?[0-9]+$', '\\0.0'), ['nan', '-nan', 'inf', '-inf'], ['"NaN"', '"NaN"', '"Infinity"', '"-Infinity"'])) AS double_json,
    -- The attributes that are no strings are named in attribute_types.
    ((v, typed, type) -> multiIf(NOT typed OR type = 'bytes', toJSONString(v), type = 'double' AND     -- A key that comes twice, as a text and as something else, has one type, which is not that of both values.
    match(v, '^-?(nan|inf|(0|[1-9][0-9]*)([.][0-9]+)?(e[-+]?[0-9]+)?)\\z'), double_json(v),     (isValidJSON(v) AND position(v, '\n') = 0), v, toJSONString(v))) AS value_json,
    -- OTLP's KeyValues of members: triples of a name, the text of a JSON value, and what the text alone does not tell
    -- ('bytes', 'double' or nothing). What is nested deeper than three levels stays JSON text. A lambda is copied to
    -- wherever it is used and the engine's analysis takes its time over every copy: each level uses the one below it
    -- once, for arrays and objects alike, and each statement uses key_values once or twice.
    (raw -> multiIf(
        startsWith(raw, '"'), concat('{"stringValue":', raw, '}'),
        raw IN ('true', 'false'), concat('{"boolValue":', raw, '}'),
        raw IN ('null', ''), '{}',
        match(raw, '^-?[0-9]+$'), concat('{"intValue":"', raw, '"}'),
        match(raw, '^-?[0-9]'), concat('{"doubleValue":', raw, '}'),
        concat('{"stringValue":', toJSONString(raw), '}'))) AS scalar_value,
    (raw -> if(startsWith(raw, '['), arrayMap(x -> ('', x), JSONExtractArrayRaw(raw)), JSONExtractKeysAndValuesRaw(raw))) AS items_of,
    ((raw, m, value) -> concat(if(startsWith(raw, '['), '', concat('{"key":', toJSONString(m.1), ',"value":')), value, if(startsWith(raw, '['), '', '}'))) AS item_json,
    ((raw, items) -> concat(if(startsWith(raw, '['), '{"arrayValue":{"values":[', '{"kvlistValue":{"values":['), arrayStringConcat(items, ','), ']}}')) AS nested_json,
    (raw -> match(raw, '^[\\[{]')) AS is_nested,
    (raw -> if(is_nested(raw), nested_json(raw, arrayMap(x1 -> item_json(raw, x1, scalar_value(x1.2)), items_of(raw))), scalar_value(raw))) AS value1,
    (raw -> if(is_nested(raw), nested_json(raw, arrayMap(x2 -> item_json(raw, x2, value1(x2.2)), items_of(raw))), scalar_value(raw))) AS value2,
    (raw -> if(is_nested(raw), nested_json(raw, arrayMap(x3 -> item_json(raw, x3, value2(x3.2)), items_of(raw))), scalar_value(raw))) AS any_value,
    (m -> multiIf(m.3 = 'bytes', concat('{"bytesValue":', m.2, '}'), m.3 = 'double', concat('{"doubleValue":', m.2, '}'), any_value(m.2))) AS member_value,
    (members -> concat('[', arrayStringConcat(arrayMap(m -> concat('{"key":', toJSONString(m.1), ',"value":', member_value(m), '}'), members), ','), ']')) AS key_values,
    (object -> arrayMap(m -> (m.1, m.2, ''), JSONExtractKeysAndValuesRaw(object))) AS object_members,
    ((names, texts, types) -> arrayMap((k, v) -> (toString(k), value_json(v, mapContains(types, k), types[k]), if(mapContains(types, k), toString(types[k]), '')), names, texts)) AS attribute_members,
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
    -- `lists` are the KeyValues of OtlpMembers.
    concat(
        '{"traceId":"', lower(hex(trace_id)),
        '","spanId":"', lower(hex(span_id)),
        '","traceState":', toJSONString(trace_state),
        ',"parentSpanId":"', if(parent_span_id = toFixedString('', 8), '', lower(hex(parent_span_id))),
        '","flags":', toString(flags),
        ',"name":', toJSONString(name),
        ',"kind":', toString(toInt8(kind)),
        ',"startTimeUnixNano":"', toString(toUnixTimestamp64Nano(time)),
        '","endTimeUnixNano":"', toString(toUnixTimestamp64Nano(time) + duration_ns),
        '","attributes":', lists[1],
        ',"droppedAttributesCount":', toString(dropped_attributes),
        ',"events":[', arrayStringConcat(arrayMap((t, n, a) -> concat('{"timeUnixNano":"', toString(toUnixTimestamp64Nano(t)), '","name":', toJSONString(n), ',"attributes":', a, '}'), events.time, events.name, arraySlice(lists, 2, length(events.name))), ','),
        '],"droppedEventsCount":', toString(dropped_events),
        ',"links":[', arrayStringConcat(arrayMap((t, s, w, a) -> concat('{"traceId":"', lower(hex(t)), '","spanId":"', lower(hex(s)), '","traceState":', toJSONString(w), ',"attributes":', a, '}'), links.trace_id, links.span_id, links.trace_state, arraySlice(lists, 2 + length(events.name))), ','),
        '],"droppedLinksCount":', toString(dropped_links),
        ',"status":{"message":', toJSONString(status_message), ',"code":', toString(toInt8(status)), '}}') AS span
            FROM
            (
                SELECT *, span_id, parent_span_id, arrayMap(ms -> key_values(ms),     -- The members of the span, of each event and of each link, one after the other.
    arrayConcat(
        [attribute_members(mapKeys(attributes), mapValues(attributes), attribute_types)],
        arrayMap(a -> object_members(a), arrayConcat(events.attributes, links.attributes)))) AS lists
                FROM vedette.spans
                WHERE trace_id IN (SELECT toFixedString(unhex(arrayJoin({trace_ids:Array(String)})), 16))
                  AND time BETWEEN fromUnixTimestamp64Nano({start_ns:Int64}, 'UTC') AND fromUnixTimestamp64Nano({end_ns:Int64}, 'UTC')
            )
        )
        GROUP BY resource, scope
    )
)
ORDER BY resource, scope
-- parameters: {"end_ns": 2, "start_ns": 1, "trace_ids": ["4bf92f3577b34da6a3ce929d0e0e4736", "4bf92f3577b34da6a3ce929d0e0e4737"]}
-- format: CustomSeparated
-- settings: {"format_custom_escaping_rule": "Raw", "format_custom_field_delimiter": "", "format_custom_result_after_delimiter": "", "format_custom_result_before_delimiter": "", "format_custom_row_after_delimiter": "", "format_custom_row_before_delimiter": "", "format_custom_row_between_delimiter": ",", "output_format_json_escape_forward_slashes": 0}
