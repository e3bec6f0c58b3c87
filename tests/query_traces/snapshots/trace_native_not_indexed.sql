-- A trace of few spans: its spans and what they say together, read once, as a JSON object without its opening brace. A
-- trace of more than {few:UInt64} gives nothing.
WITH
    (
        SELECT (toUnixTimestamp64Nano(min(start)), toUnixTimestamp64Nano(max(end)), sum(span_count))
        FROM vedette.trace_index
        WHERE trace_id = toFixedString(unhex({trace_id:String}), 16)
    ) AS bounds,
    (t -> concat('"', replaceOne(toString(t), ' ', 'T'), 'Z"')) AS time_json,
    -- JSON has no NaN or infinity; a double without a fraction keeps a mark that it is one.
    (d -> multiIf(
        d IN ('nan', '-nan'), '"NaN"', d = 'inf', '"Infinity"', d = '-inf', '"-Infinity"',
        match(d, '^-?[0-9]+$'), concat(d, '.0'), d)) AS double_json,
    -- The attributes that are no strings are named in attribute_types.
    ((text, typed, type) -> multiIf(NOT typed, toJSONString(text), type = 'bytes', toJSONString(text), type = 'double', double_json(text), text)) AS value_json,
    ((names, texts, types) -> concat('{', arrayStringConcat(arrayMap((k, v) -> concat(toJSONString(k), ':', value_json(v, mapContains(types, k), types[k])), names, texts), ','), '}')) AS attributes_json
SELECT concat(
        '"spans":[', arrayStringConcat(spans.3, ','), '],',
        '"start_time":', time_json(start),
        ',"start_time_unix_nano":', toString(toUnixTimestamp64Nano(start)),
        ',"duration_ns":', toString(finish - toUnixTimestamp64Nano(start)),
        ',"span_count":', toString(listed),
        ',"error_count":', toString(errors),
        ',"root_service":', toJSONString(root.1), ',"root_name":', toJSONString(root.2),
        ',"services":', toJSONString(services),
        ',"resources":{', arrayStringConcat(arrayMap(r -> concat('"', lower(hex(cityHash64(r))), '":', r), resources), ','),
        '},"scopes":{', arrayStringConcat(arrayMap(s -> concat('"', lower(hex(cityHash64(s))), '":', s), scopes), ','),
        '}}')
FROM
(
    SELECT
        arraySort(groupArray((time, span_id, span))) AS spans,
        length(spans) AS listed,
        countIf(status = 'error') AS errors,
        min(time) AS start,
        max(toUnixTimestamp64Nano(time) + duration_ns) AS finish,
        -- The root is the earliest span without a parent, or else the earliest of all.
        argMin((toString(service), toString(name)), (parent_span_id != toFixedString('', 8), time, span_id)) AS root,
        arraySort(groupUniqArray(toString(service))) AS services,
        arraySort(groupUniqArray(toString(resource))) AS resources,
        arraySort(groupUniqArray(toString(scope))) AS scopes
    FROM
    (
        SELECT
            time, span_id, parent_span_id, service, name, status, duration_ns, resource, scope,
            concat(
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
        ',"attributes":', attributes_json(mapKeys(attributes), mapValues(attributes), attribute_types),
        ',"attribute_types":', toJSONString(attribute_types),
                ',"resource":"', lower(hex(cityHash64(resource))),
                '","scope":"', lower(hex(cityHash64(scope))), '"',
        ',"events":',
        '[', arrayStringConcat(arrayMap((t, n, a) -> concat('{"time":', time_json(t), ',"name":', toJSONString(n), ',"attributes":', a, '}'), events.time, events.name, events.attributes), ','), ']',
        ',"links":',
        '[', arrayStringConcat(arrayMap((t, s, w, a) -> concat('{"trace_id":"', lower(hex(t)), '","span_id":"', lower(hex(s)), '","trace_state":', toJSONString(w), ',"attributes":', a, '}'), links.trace_id, links.span_id, links.trace_state, links.attributes), ','), ']',
        ',"trace_state":', toJSONString(trace_state),
        ',"flags":', toString(flags),
        ',"dropped_attributes":', toString(dropped_attributes),
        ',"dropped_events":', toString(dropped_events),
        ',"dropped_links":', toString(dropped_links), '}') AS span
        FROM vedette.spans
        WHERE trace_id = toFixedString(unhex({trace_id:String}), 16)
          AND time BETWEEN fromUnixTimestamp64Nano(bounds.1, 'UTC') AND fromUnixTimestamp64Nano(bounds.2, 'UTC')
          AND bounds.3 <= {few:UInt64}
    )
    HAVING listed > 0
)
-- parameters: {"few": 2000, "trace_id": "4bf92f3577b34da6a3ce929d0e0e4736"}
-- format: TSVRaw
-- settings: {"output_format_json_escape_forward_slashes": 0}
