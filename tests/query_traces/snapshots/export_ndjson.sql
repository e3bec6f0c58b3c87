-- Matching spans as JSON objects, one a line.
WITH
    (t -> concat('"', replaceOne(toString(t), ' ', 'T'), 'Z"')) AS time_json
SELECT
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
        ',"attributes":{', vedette_attribute_members(attributes, attribute_types), '}',
        ',"attribute_types":', toJSONString(attribute_types),
        ',"resource":', toString(resource),
        ',"scope":', toString(scope),
        ',"events":',
        '[', arrayStringConcat(arrayMap((t, n, a) -> concat('{"time":', time_json(t), ',"name":', toJSONString(n), ',"attributes":', a, '}'), events.time, events.name, events.attributes), ','), ']',
        ',"links":',
        '[', arrayStringConcat(arrayMap((t, s, w, a) -> concat('{"trace_id":"', lower(hex(t)), '","span_id":"', lower(hex(s)), '","trace_state":', toJSONString(w), ',"attributes":', a, '}'), links.trace_id, links.span_id, links.trace_state, links.attributes), ','), ']',
        ',"trace_state":', toJSONString(trace_state),
        ',"flags":', toString(flags),
        ',"dropped_attributes":', toString(dropped_attributes),
        ',"dropped_events":', toString(dropped_events),
        ',"dropped_links":', toString(dropped_links), '}')
FROM vedette.spans
WHERE time >= fromUnixTimestamp64Nano({start_ns:Int64}, 'UTC') AND time < fromUnixTimestamp64Nano({end_ns:Int64}, 'UTC') AND (1)
ORDER BY time
LIMIT {limit:UInt64}
-- parameters: {"end_ns": 1782910800000000000, "limit": 5, "start_ns": 1782907200000000000}
-- format: TSVRaw
-- settings: {"output_format_json_escape_forward_slashes": 0, "prefer_column_name_to_alias": 1}
