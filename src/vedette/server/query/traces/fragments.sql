-- Fragments that the statements of this folder share: `${Name}` stands for the text between `-- fragment: Name` and the
-- next such line. A fragment may use those above it. All of them read one row of vedette.spans.

-- fragment: TimeFunctions
    (t -> concat('"', replaceOne(toString(t), ' ', 'T'), 'Z"')) AS time_json
-- fragment: DoubleJson
    transform(replaceRegexpOne(v, '^-?[0-9]+$$', '\\0.0'), ['nan', '-nan', 'inf', '-inf'], ['"NaN"', '"NaN"', '"Infinity"', '"-Infinity"'])
-- fragment: IsDouble
    -- A key that comes twice, as a text and as something else, has one type, which is not that of both values.
    match(v, '^-?(nan|inf|(0|[1-9][0-9]*)([.][0-9]+)?(e[-+]?[0-9]+)?)\\z')
-- fragment: IsJson
    (isValidJSON(v) AND position(v, '\n') = 0)
-- fragment: ValueFunctions
    -- JSON has no NaN or infinity; a double without a fraction keeps a mark that it is one.
    (v -> ${DoubleJson}) AS double_json,
    -- The attributes that are no strings are named in attribute_types.
    ((v, typed, type) -> multiIf(NOT typed OR type = 'bytes', toJSONString(v), type = 'double' AND ${IsDouble}, double_json(v), ${IsJson}, v, toJSONString(v))) AS value_json
-- fragment: SpanHead
        '{"trace_id":"', lower(hex(trace_id)),
        '","span_id":"', lower(hex(span_id)),
        '","parent_span_id":', if(parent_span_id = toFixedString('', 8), 'null', concat('"', lower(hex(parent_span_id)), '"')),
        ',"name":', toJSONString(name),
        ',"kind":"', toString(kind),
        '","service":', toJSONString(service),
        ',"start_time":', time_json(time),
        ',"start_time_unix_nano":', toString(toUnixTimestamp64Nano(time)),
        ',"duration_ns":', toString(duration_ns),
        ',"status":"', toString(status),
        '","status_message":', toJSONString(status_message),
        ',"attributes":{', vedette_attribute_members(attributes, attribute_types), '}',
        ',"attribute_types":', toJSONString(attribute_types),
-- fragment: EventsJson
        '[', arrayStringConcat(arrayMap((t, n, a) -> concat('{"time":', time_json(t), ',"name":', toJSONString(n), ',"attributes":', a, '}'), events.time, events.name, events.attributes), ','), ']'
-- fragment: LinksJson
        '[', arrayStringConcat(arrayMap((t, s, w, a) -> concat('{"trace_id":"', lower(hex(t)), '","span_id":"', lower(hex(s)), '","trace_state":', toJSONString(w), ',"attributes":', a, '}'), links.trace_id, links.span_id, links.trace_state, links.attributes), ','), ']'
-- fragment: SpanTail
        ',"events":',
${EventsJson},
        ',"links":',
${LinksJson},
        ',"trace_state":', toJSONString(trace_state),
        ',"flags":', toString(flags),
        ',"dropped_attributes":', toString(dropped_attributes),
        ',"dropped_events":', toString(dropped_events),
        ',"dropped_links":', toString(dropped_links), '}'
-- fragment: OtlpFunctions
    -- OTLP's KeyValues of members: triples of a name, the text of a JSON value, and what the text alone does not tell
    -- ('bytes', 'double' or nothing). What is nested deeper than three levels stays JSON text. A lambda is copied to
    -- wherever it is used and the engine's analysis takes its time over every copy: each level uses the one below it
    -- once, for arrays and objects alike, and each statement uses key_values once or twice.
    (raw -> multiIf(
        startsWith(raw, '"'), concat('{"stringValue":', raw, '}'),
        raw IN ('true', 'false'), concat('{"boolValue":', raw, '}'),
        raw IN ('null', ''), '{}',
        match(raw, '^-?[0-9]+$$'), concat('{"intValue":"', raw, '"}'),
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
    ((names, texts, types) -> arrayMap((k, v) -> (toString(k), value_json(v, mapContains(types, k), types[k]), if(mapContains(types, k), toString(types[k]), '')), names, texts)) AS attribute_members
-- fragment: OtlpMembers
    -- The members of the span, of each event and of each link, one after the other.
    arrayConcat(
        [attribute_members(mapKeys(attributes), mapValues(attributes), attribute_types)],
        arrayMap(a -> object_members(a), arrayConcat(events.attributes, links.attributes)))
-- fragment: OtlpSpan
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
        ',"status":{"message":', toJSONString(status_message), ',"code":', toString(toInt8(status)), '}}')
-- fragment: JaegerFunctions
    ((key, type, value) -> concat('{"key":', toJSONString(key), ',"type":"', type, '","value":', value, '}')) AS tag,
    -- JavaScript loses digits of integers past 2^53; Jaeger writes those as strings.
    (text -> if(length(text) < 16, text, concat('"', text, '"'))) AS safe_integer,
    -- JSON values that are no scalars are shown as their text.
    ((key, raw) -> multiIf(
        startsWith(raw, '"'), tag(key, 'string', raw),
        raw IN ('true', 'false'), tag(key, 'bool', raw),
        match(raw, '^-?[0-9]+$$'), tag(key, 'int64', safe_integer(raw)),
        match(raw, '^-?[0-9]'), tag(key, 'float64', raw),
        tag(key, 'string', toJSONString(raw)))) AS raw_tag,
    ((key, v, typed, type) -> multiIf(
        NOT typed, tag(key, 'string', toJSONString(v)),
        type = 'int' AND match(v, '^-?(0|[1-9][0-9]*)\\z'), tag(key, 'int64', safe_integer(v)),
        type = 'double' AND ${IsDouble}, tag(key, 'float64', double_json(v)),
        type = 'bool' AND v IN ('true', 'false'), tag(key, 'bool', v),
        type = 'bytes', tag(key, 'binary', toJSONString(v)),
        tag(key, 'string', toJSONString(v)))) AS attribute_tag,
    (members -> arrayMap(m -> raw_tag(m.1, m.2), members)) AS raw_tags
-- fragment: JaegerSpan
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
        '],"warnings":null,"processID":"')
-- fragment: SpanEnd
    time + toIntervalNanosecond(least(duration_ns, 9223372036854775807 - toUnixTimestamp64Nano(time)))
-- fragment: TraceSummary
    SELECT
        trace_id,
        min(start) AS start,
        max(end) AS end,
        max(root_service) AS root_service,
        max(root_name) AS root_name,
        arraySort(groupUniqArrayArray(services)) AS services,
        sum(span_count) AS spans,
        sum(error_count) AS errors
    FROM vedette.trace_index
-- fragment: OfTrace
    s.trace_id = toFixedString(unhex({trace_id:String}), 16)
      AND s.time BETWEEN bounds.1 AND bounds.2
