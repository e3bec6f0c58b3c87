-- One trace of Jaeger's JSON for each trace, in the order of {trace_ids}.
WITH
    -- JSON has no NaN or infinity; a double without a fraction keeps a mark that it is one.
    (v ->     transform(replaceRegexpOne(v, '^-?[0-9]+$', '\\0.0'), ['nan', '-nan', 'inf', '-inf'], ['"NaN"', '"NaN"', '"Infinity"', '"-Infinity"'])) AS double_json,
    -- The attributes that are no strings are named in attribute_types.
    ((v, typed, type) -> multiIf(NOT typed OR type = 'bytes', toJSONString(v), type = 'double' AND     -- A key that comes twice, as a text and as something else, has one type, which is not that of both values.
    match(v, '^-?(nan|inf|(0|[1-9][0-9]*)([.][0-9]+)?(e[-+]?[0-9]+)?)\\z'), double_json(v),     (isValidJSON(v) AND position(v, '\n') = 0), v, toJSONString(v))) AS value_json,
    ((key, type, value) -> concat('{"key":', toJSONString(key), ',"type":"', type, '","value":', value, '}')) AS tag,
    -- JavaScript loses digits of integers past 2^53; Jaeger writes those as strings.
    (text -> if(length(text) < 16, text, concat('"', text, '"'))) AS safe_integer,
    -- JSON values that are no scalars are shown as their text.
    ((key, raw) -> multiIf(
        startsWith(raw, '"'), tag(key, 'string', raw),
        raw IN ('true', 'false'), tag(key, 'bool', raw),
        match(raw, '^-?[0-9]+$'), tag(key, 'int64', safe_integer(raw)),
        match(raw, '^-?[0-9]'), tag(key, 'float64', raw),
        tag(key, 'string', toJSONString(raw)))) AS raw_tag,
    ((key, v, typed, type) -> multiIf(
        NOT typed, tag(key, 'string', toJSONString(v)),
        type = 'int' AND match(v, '^-?(0|[1-9][0-9]*)\\z'), tag(key, 'int64', safe_integer(v)),
        type = 'double' AND     -- A key that comes twice, as a text and as something else, has one type, which is not that of both values.
    match(v, '^-?(nan|inf|(0|[1-9][0-9]*)([.][0-9]+)?(e[-+]?[0-9]+)?)\\z'), tag(key, 'float64', double_json(v)),
        type = 'bool' AND v IN ('true', 'false'), tag(key, 'bool', v),
        type = 'bytes', tag(key, 'binary', toJSONString(v)),
        tag(key, 'string', toJSONString(v)))) AS attribute_tag,
    (members -> arrayMap(m -> raw_tag(m.1, m.2), members)) AS raw_tags
SELECT concat(
    '{"traceID":"', lower(hex(trace_id)),
    '","spans":[', arrayStringConcat(arrayMap(s -> concat(s.3, 'p', toString(indexOf(processes.1, s.4)), '"}'), spans), ','),
    '],"processes":{', arrayStringConcat(arrayMap((p, i) -> concat('"p', toString(i), '":{"serviceName":', toJSONString(p.2), ',"tags":[', arrayStringConcat(raw_tags(arrayFilter(m -> m.1 NOT IN ('service.name', 'schema_url', 'dropped_attributes_count'), JSONExtractKeysAndValuesRaw(p.3))), ','), ']}'), processes, arrayEnumerate(processes)), ','),
    '},"warnings":null}')
FROM
(
    SELECT
        trace_id,
        arraySort(groupArray((time, span_id, span, process))) AS spans,
        arraySort(groupUniqArray((process, toString(service), toString(resource)))) AS processes
    FROM
    (
        SELECT trace_id, time, span_id, service, resource, cityHash64(service, resource) AS process,
    concat(
        '{"traceID":"', lower(hex(trace_id)),
        '","spanID":"', lower(hex(span_id)),
        '","flags":', toString(flags),
        ',"operationName":', toJSONString(name),
        ',"references":[', arrayStringConcat(arrayConcat(
            if(parent_span_id = toFixedString('', 8), [], [concat('{"refType":"CHILD_OF","traceID":"', lower(hex(trace_id)), '","spanID":"', lower(hex(parent_span_id)), '"}')]),
            arrayMap((t, s, a) -> concat('{"refType":"', if(JSONExtractString(a, 'opentracing.ref_type') = 'child_of', 'CHILD_OF', 'FOLLOWS_FROM'), '","traceID":"', lower(hex(t)), '","spanID":"', lower(hex(s)), '"}'), links.trace_id, links.span_id, links.attributes)), ','),
        '],"startTime":', toString(intDiv(toUnixTimestamp64Nano(time), 1000)),
        ',"duration":', toString(intDiv(duration_ns, 1000)),
        ',"tags":[', arrayStringConcat(arrayConcat(
            arrayMap((k, v) -> attribute_tag(k, v, mapContains(attribute_types, k), attribute_types[k]), mapKeys(attributes), mapValues(attributes)),
            if(JSONExtractString(scope, 'name') = '', [], [tag('otel.scope.name', 'string', JSONExtractRaw(scope, 'name'))]),
            if(JSONExtractString(scope, 'version') = '', [], [tag('otel.scope.version', 'string', JSONExtractRaw(scope, 'version'))]),
            if(kind = 'unspecified', [], [tag('span.kind', 'string', concat('"', toString(kind), '"'))]),
            if(status = 'unset', [], [tag('otel.status_code', 'string', concat('"', upper(toString(status)), '"'))]),
            if(status = 'error', [tag('error', 'bool', 'true')], []),
            if(status_message = '', [], [tag('otel.status_description', 'string', toJSONString(status_message))]),
            if(trace_state = '', [], [tag('w3c.tracestate', 'string', toJSONString(trace_state))])), ','),
        '],"logs":[', arrayStringConcat(arrayMap((t, n, a) -> concat('{"timestamp":', toString(intDiv(toUnixTimestamp64Nano(t), 1000)), ',"fields":[', arrayStringConcat(arrayConcat(if(n = '', [], [tag('event', 'string', toJSONString(n))]), raw_tags(JSONExtractKeysAndValuesRaw(a))), ','), ']}'), events.time, events.name, events.attributes), ','),
        '],"warnings":null,"processID":"') AS span
        FROM vedette.spans
        WHERE trace_id IN (SELECT toFixedString(unhex(arrayJoin({trace_ids:Array(String)})), 16))
          AND time BETWEEN fromUnixTimestamp64Nano({start_ns:Int64}, 'UTC') AND fromUnixTimestamp64Nano({end_ns:Int64}, 'UTC')
    )
    GROUP BY trace_id
)
ORDER BY indexOf({trace_ids:Array(String)}, lower(hex(trace_id)))
-- parameters: {"end_ns": 2, "start_ns": 1, "trace_ids": ["4bf92f3577b34da6a3ce929d0e0e4736", "4bf92f3577b34da6a3ce929d0e0e4737"]}
-- format: CustomSeparated
-- settings: {"format_custom_escaping_rule": "Raw", "format_custom_field_delimiter": "", "format_custom_result_after_delimiter": "", "format_custom_result_before_delimiter": "", "format_custom_row_after_delimiter": "", "format_custom_row_before_delimiter": "", "format_custom_row_between_delimiter": ",", "output_format_json_escape_forward_slashes": 0}
